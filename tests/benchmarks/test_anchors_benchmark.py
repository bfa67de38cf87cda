import anchors


def test_outliers_are_in_the_training_part_only():
    data = anchors.clusters_with_outliers(seed=0)
    assert len(data.x_train) == anchors.NUM_TRAIN
    assert len(data.x_test) == anchors.NUM_TEST
    outliers = data.x_train[: anchors.NUM_OUTLIERS].norm(dim=1)
    rest = data.x_train[anchors.NUM_OUTLIERS :].norm(dim=1)
    assert outliers.median() > 2 * rest.median()
    assert data.x_test.norm(dim=1).median() < 1.1 * rest.median()


def test_table_has_a_row_a_method():
    runs = [
        {"anchors": method, **dict.fromkeys(anchors.MEASURES, 0.5)}
        for method in anchors.METHODS
    ]
    lines = anchors.table(runs).splitlines()
    assert len(lines) == 2 + len(anchors.METHODS)
    assert lines[2].startswith("| poisson_disk")
