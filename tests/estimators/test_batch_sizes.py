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


@pytest.mark.parametrize("num_points", [1, 100, 2047])
def test_sizes_asked_for_are_not_lowered(num_points: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert BatchSizes.asked_for(BASiS(), num_points) == (2048, 250, 50, 2048, 0)


@pytest.mark.parametrize(
    ("reference_size", "num_points", "expected"),
    [
        (None, 10**6, (128, 0)),  # as many as a batch
        (100, 10**6, (128, 0)),  # never less than a batch
        (400, 10**6, (400, 6)),
        (400, 300, (300, 6)),  # never more than there are
        (400, 129, (129, 6)),
        (400, 128, (128, 0)),
        (400, 20, (128, 0)),
    ],
)
def test_reference_lies_between_a_batch_and_all_points(
    reference_size: int | None, num_points: int, expected: tuple[int, int]
) -> None:
    basis = BASiS(batch_size=128, n_anchors=40, reference_size=reference_size)
    sizes = BatchSizes.asked_for(basis, num_points)
    assert sizes[:3] == (128, 40, 50)
    assert sizes[3:] == expected


@pytest.mark.parametrize(
    ("n_anchors", "drop_trivial", "expected"),
    [(3, False, 0), (5, False, 2), (5, True, 1), (9, False, 6), (3, True, 0)],
)
def test_room_for_more_columns(
    n_anchors: int, drop_trivial: bool, expected: int
) -> None:
    # The least are 3 anchors, or 4 where no column is constant.
    basis = BASiS(3, n_anchors=n_anchors, drop_trivial=drop_trivial)
    assert BatchSizes.asked_for(basis, 10**6).num_oversamples == expected
