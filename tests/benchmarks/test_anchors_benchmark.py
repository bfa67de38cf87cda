import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def anchors():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("anchors")


def test_outliers_are_in_the_training_part_only(anchors):
    data = anchors.clusters_with_outliers(seed=0)
    assert len(data.x_train) == anchors.NUM_TRAIN
    assert len(data.x_test) == anchors.NUM_TEST
    outliers = data.x_train[: anchors.NUM_OUTLIERS].norm(dim=1)
    rest = data.x_train[anchors.NUM_OUTLIERS :].norm(dim=1)
    assert outliers.median() > 2 * rest.median()
    assert data.x_test.norm(dim=1).median() < 1.1 * rest.median()


def test_table_has_a_row_a_method(anchors):
    runs = [
        {"anchors": method, **dict.fromkeys(anchors.MEASURES, 0.5)}
        for method in anchors.METHODS
    ]
    lines = anchors.table(runs).splitlines()
    assert len(lines) == 2 + len(anchors.METHODS)
    assert lines[2].startswith("| poisson_disk")
