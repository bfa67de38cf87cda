import warnings

import pytest

from pyg_basis import BASiS
from pyg_basis.estimators._batch_sizes import BatchSizes


@pytest.mark.parametrize("num_points", [2048, 2049, 10**6])
def test_enough_points_change_nothing(num_points: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert BatchSizes.for_points(BASiS(), num_points) == (2048, 250, 50)


@pytest.mark.parametrize(
    ("num_points", "expected"),
    [
        (511, (511, 250, 50)),
        (300, (300, 150, 50)),
        (100, (100, 50, 25)),
        (5, (5, 2, 1)),
    ],
)
def test_few_points(num_points: int, expected: tuple[int, int, int]) -> None:
    text = rf"n_samples = {num_points} .*n_anchors={expected[1]}.*={expected[2]} are"
    with pytest.warns(UserWarning, match=text):
        assert BatchSizes.for_points(BASiS(), num_points) == expected


def test_sizes_asked_for_are_never_raised() -> None:
    few = BASiS(batch_size=50, n_anchors=3, n_neighbors=2)
    with pytest.warns(UserWarning, match="batch_size=50"):
        assert BatchSizes.for_points(few, 49) == (49, 3, 2)


@pytest.mark.parametrize(
    ("n_components", "drop_trivial", "least"),
    [(1, False, 4), (1, True, 4), (2, False, 4), (2, True, 6), (10, False, 20)],
)
def test_too_few_points(n_components: int, drop_trivial: bool, least: int) -> None:
    basis = BASiS(n_components, drop_trivial=drop_trivial)
    text = rf"n_components={n_components} .*n_samples = {least - 1} .*least {least} poi"
    with pytest.raises(ValueError, match=text):
        BatchSizes.for_points(basis, least - 1)
    with pytest.warns(UserWarning, match="n_samples"):
        BatchSizes.for_points(basis, least)
