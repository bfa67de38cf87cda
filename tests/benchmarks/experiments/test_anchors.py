from benchmarks.experiments import anchors


def test_outliers_are_in_the_training_part_only():
    data = anchors.clusters_with_outliers(seed=0)
    assert len(data.x_train) == anchors.NUM_TRAIN
    outliers = data.x_train[: anchors.NUM_OUTLIERS].norm(dim=1)
    rest = data.x_train[anchors.NUM_OUTLIERS :].norm(dim=1)
    assert outliers.median() > 2 * rest.median()
    assert data.x_test.norm(dim=1).median() < 1.1 * rest.median()
