import pytest

from benchmarks.lib.methods import METHODS, SETTINGS, TITLES, for_so_many


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
    methods = ["diffusion_net_all", "basis", "exact"]
    assert for_so_many(methods, 10_000) == methods
    assert for_so_many(methods, 10_001) == ["basis", "exact"]
