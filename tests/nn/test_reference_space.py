from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_basis.align import LeastSquares
from pyg_basis.loader import ExactEmbedding, MovingReference
from pyg_basis.nn.reference_space import ReferenceSpace


def points(num_points: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(num_points, 2, generator=generator)


def make_space(num_oversamples: int = 2) -> ReferenceSpace:
    embedding = ExactEmbedding(3, 10, laplacian="rw")
    return ReferenceSpace(2, 30, embedding, LeastSquares(), num_oversamples)


def moving(size: int = 100, num_oversamples: int = 2, seed: int = 0) -> MovingReference:
    return MovingReference.from_sample(
        points(150, seed),
        30,
        ExactEmbedding(3, 10, laplacian="rw"),
        reference_size=size,
        num_oversamples=num_oversamples,
    )


def assert_same(space: ReferenceSpace, expected: MovingReference) -> None:
    found = space.moving_reference()
    assert torch.equal(found.nodes, expected.nodes)
    assert torch.equal(found.rows, expected.rows)
    assert found.num_nodes == expected.num_nodes
    assert torch.equal(found.reference.anchors, expected.reference.anchors)
    assert torch.equal(found.reference.rows, expected.reference.rows)
    assert found.reference.num_oversamples == expected.reference.num_oversamples
    start, other = found.reference.start, expected.reference.start
    assert start is not None and other is not None
    assert torch.equal(start.rows, other.rows) and start.window == other.window
    x = points(50, seed=5)
    assert torch.equal(space.targets(x).y, expected.reference.targets(x).y)


def test_keeps_and_gives_back() -> None:
    space = make_space()
    space.keep(moving())
    assert_same(space, moving())
    # Another one of another size takes its place.
    space.keep(moving(140, seed=1))
    assert_same(space, moving(140, seed=1))
    assert not list(space.parameters())


@pytest.mark.parametrize("size", [60, 100, 150])
def test_state_dict_of_a_reference_of_any_size(size: int) -> None:
    space, other = make_space(), make_space()
    space.keep(moving(size))
    other.keep(moving(100, seed=3))
    other.anchor_reference()
    other.load_state_dict(space.state_dict())
    assert_same(other, moving(size))
    # What was loaded from is left alone.
    other.rows.zero_()
    assert_same(space, moving(size))


def test_state_of_another_layer_is_refused() -> None:
    space = make_space()
    space.keep(moving())
    narrow = ReferenceSpace(
        2, 30, ExactEmbedding(2, 10, laplacian="rw"), LeastSquares(), 3
    )
    with pytest.raises(RuntimeError, match="size mismatch for rows"):
        narrow.load_state_dict(space.state_dict())
    state = space.state_dict()
    del state["nodes"]
    with pytest.raises(RuntimeError, match="nodes"):
        make_space().load_state_dict(state)


@pytest.mark.parametrize(
    "ask", ["anchor_reference", "moving_reference", lambda s: s.targets(points(9))]
)
def test_without_a_reference(ask: Any) -> None:
    space = make_space()
    with pytest.raises(RuntimeError, match="init_reference"):
        getattr(space, ask)() if isinstance(ask, str) else ask(space)


def test_forgets() -> None:
    space = make_space()
    space.keep(moving())
    space.forget()
    for name, value in make_space().state_dict().items():
        assert torch.equal(space.state_dict()[name], value), name
    with pytest.raises(RuntimeError, match="init_reference"):
        space.targets(points(9))
