import pytest

from benchmarks.lib.methods import (
    ALL,
    METHODS,
    MOST_POINTS,
    SETTINGS,
    TITLES,
    for_so_many,
    values_of,
)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_made_alike(name):
    estimator = METHODS[name].make(seed=7, learning_rate=0.123)
    parameters = estimator.get_params()
    assert parameters["random_state"] == 7
    assert parameters["n_components"] == 10
    assert name in TITLES
    if METHODS[name].is_searched:
        assert parameters["learning_rate"] == 0.123
        assert parameters["max_iter"] == SETTINGS["max_iter"]
        assert parameters["n_neighbors"] == SETTINGS["n_neighbors"]


def test_published_settings_stay_as_they_are():
    assert METHODS["basis_paper"].make(0, 0.5).get_params()["learning_rate"] == 1e-3
    assert METHODS["basis_official"].make(0, 0.5).n_neighbors == 9


def test_changes_reach_only_those_that_have_them():
    assert METHODS["regression"].make(0, 1e-3, max_iter=5).max_iter == 5
    assert METHODS["basis_paper"].make(0, 1e-3, max_iter=5).max_iter == 5
    assert METHODS["nystroem"].make(0, 1e-3, max_iter=5, n_neighbors=4).n_neighbors == 4


def test_a_method_may_be_for_small_sets_only():
    methods = ["specnet2_neighbor", "basis", "exact"]
    assert for_so_many(methods, MOST_POINTS) == methods
    assert for_so_many(methods, MOST_POINTS + 1) == ["basis", "exact"]


def test_no_sample_is_larger_than_the_points():
    assert values_of("nystroem", 1500) == [500, 1000, ALL]
    assert ALL not in values_of("nystroem", MOST_POINTS + 1)
    # The default is there for any number of points, as are iterations.
    assert values_of("basis", 1500) == [1000, 10_000]
    assert values_of("spectralnet", 1500) == list(METHODS["spectralnet"].values)
