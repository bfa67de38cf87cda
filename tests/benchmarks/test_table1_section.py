import table1_section
from evaluation import MEASURES
from image_features import DATASETS


def test_every_measure_has_a_direction_and_a_published_value():
    assert set(table1_section.LOW_IS_GOOD) < set(MEASURES)
    for name in DATASETS:
        assert len(table1_section.PAPER[name]) == len(MEASURES)
        assert name in table1_section.NAMES
