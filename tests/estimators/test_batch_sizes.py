import warnings

import pytest

from pyg_basis import BASiS
from pyg_basis.estimators._batch_sizes import BatchSizes


@pytest.mark.parametrize("num_points", [2048, 2049, 10**6])
def test_enough_points_change_nothing(num_points: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sizes = BatchSizes.for_points(BASiS(), num_points)
        assert sizes[:3] == (2048, 250, 50)
        # The reference is larger than a batch where there are more points.
        assert sizes.reference_size == min(num_points, 10_000)
        assert sizes.num_oversamples == (0 if num_points == 2048 else 6)


@pytest.mark.parametrize("reference_size", [None, 500, 2048])
def test_a_reference_as_large_as_a_batch(reference_size: int | None) -> None:
    basis = BASiS(reference_size=reference_size)
    assert BatchSizes.for_points(basis, 10**6) == (2048, 250, 50, 2048, 0)


def test_few_anchors_and_rigid_maps_have_no_room_for_more_columns() -> None:
    few = BASiS(3, n_anchors=5)  # three are the least
    assert BatchSizes.for_points(few, 10**6).num_oversamples == 2
    for alignment in ("orthogonal", "moments"):
        rigid = BASiS(alignment=alignment)
        sizes = BatchSizes.for_points(rigid, 10**6)
        assert (sizes.reference_size, sizes.num_oversamples) == (10_000, 0)


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
        sizes = BatchSizes.for_points(BASiS(), num_points)
        assert sizes == (*expected, num_points, 0)


def test_sizes_asked_for_are_never_raised() -> None:
    few = BASiS(batch_size=50, n_anchors=3, n_neighbors=2)
    with pytest.warns(UserWarning, match="batch_size=50"):
        assert BatchSizes.for_points(few, 49) == (49, 3, 2, 49, 0)


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
