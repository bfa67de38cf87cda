"""BASiSLayer: what it is made of, what it is given, and its state."""

import copy
from functools import cache
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import nn
from torch_geometric.data import Data

from pyg_basis import BASiSLayer
from tests.fuzz.inputs import (
    arguments,
    either,
    graphs,
    is_moderate,
    odd,
    odd_graphs,
    odd_tensors,
    one_of,
    tensors,
)
from tests.fuzz.judge import Case

SIZE, WIDTH, ANCHORS = 40, 2, 10
NAMES = (
    *("x", "num_anchors", "num_neighbors", "num_eigenvectors", "reference", "graph"),
    *("edge_index", "edge_weight", "num_nodes", "anchor_index"),
)


def cases() -> SearchStrategy[Case]:
    """Calls of the constructor and of each method."""
    return either(
        *(_constructions(), _references(), _updates(), _states()),
        *(_calls(method) for method in ("forward", "loss", "targets", "read_out")),
    )


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@cache
def ready(laplacian: str) -> BASiSLayer:
    """A layer with a reference."""
    layer = BASiSLayer(
        *(WIDTH, 2, ANCHORS),
        num_neighbors=5,
        laplacian=laplacian,
        generator=generator(),
    )
    layer.init_reference(torch.randn(SIZE, WIDTH, generator=generator()))
    return layer


KINDS = one_of("rw", "sym", "comb")
MATCHING = st.just(SIZE), st.just(WIDTH)
SOME = st.integers(2, 30), one_of(WIDTH, WIDTH, WIDTH, 3)


def known(layer: BASiSLayer) -> Any:
    """All that a layer knows, and its rows at some points."""
    x = torch.linspace(-2, 2, 10, dtype=layer.anchors.dtype).view(5, 2)
    state = layer.state_dict()
    del state["output.eigenvalues"]  # infinite beyond those that are known
    return state, layer.eval()(x)


def constructed(**settings: Any) -> Any:
    """A new layer, and one with its state."""
    layer = BASiSLayer(WIDTH, **settings, generator=generator())
    other = BASiSLayer(WIDTH, **settings, generator=generator())
    other.load_state_dict(layer.state_dict())
    return *known(layer), *known(other), repr(layer)


def _constructions() -> SearchStrategy[Case]:
    good = {
        "num_eigenvectors": one_of(1, 2, 3, np.int64(2)),
        "num_anchors": one_of(5, 10, np.int64(10)),
        "network": st.none(),
        "num_neighbors": one_of(1, 5, np.int64(3)),
        "metric": one_of("euclidean", "cosine"),
        "bandwidth": one_of("self_tuning", "global", 1.0, np.float32(1)),
        "laplacian": KINDS,
        "alpha": one_of(0, 0.5, 1),
        "drop_first": st.booleans(),
        "alignment": one_of("lstsq", "ransac", "orthogonal", "moments"),
        "extend_degree": st.booleans(),
        "eigen_solver": one_of("auto", "dense", "lanczos", "lobpcg", "chebyshev"),
    }
    networks = one_of(nn.Identity(), nn.Flatten(0), nn.Linear, nn.LSTM(WIDTH, 3))
    return arguments(good, {"network": networks | odd}).map(
        lambda given: Case(constructed, given)
    )


def with_reference(laplacian: str, x: Any, **settings: Any) -> Any:
    """A layer with a new reference."""
    layer = copy.deepcopy(ready(laplacian))
    layer.init_reference(x, **settings)
    return known(layer)


def _references() -> SearchStrategy[Case]:
    good = {
        "laplacian": KINDS,
        "x": tensors(*SOME),
        "anchor_index": st.none() | st.just(torch.arange(ANCHORS)),
        "reference_size": one_of(10_000, 20, np.int64(20)),
        "seed": one_of(0, 1, np.int64(2)),
    }
    indices = one_of(
        *(torch.zeros(ANCHORS, dtype=torch.long), torch.arange(ANCHORS) - 1),
        *(torch.arange(ANCHORS) + 1000, torch.arange(ANCHORS).float()),
        *(np.arange(ANCHORS), list(range(ANCHORS)), torch.arange(ANCHORS).view(2, 5)),
    )
    other = {
        "laplacian": KINDS,
        "x": odd_tensors(*SOME),
        "anchor_index": indices | odd,
    }
    return arguments(good, other).map(
        lambda given: Case(with_reference, given, names=NAMES)
    )


def updated(laplacian: str, x: Any, **settings: Any) -> Any:
    """A layer whose features have changed."""
    layer = copy.deepcopy(ready(laplacian))
    movement = layer.update_reference(x, **settings)
    return movement, known(layer)


def _updates() -> SearchStrategy[Case]:
    good = {
        "laplacian": KINDS,
        "x": tensors(*MATCHING),
        "alignment": one_of("lstsq", "ransac", "orthogonal", "moments"),
        "momentum": one_of(0.0, 0.5, np.float64(0.9), 0),
    }
    other = {"laplacian": KINDS, "x": odd_tensors(*MATCHING)}
    return arguments(good, other).map(lambda given: Case(updated, given, names=NAMES))


def called(laplacian: str, method: str, x: Any) -> Any:
    """What a method of a layer gives."""
    layer = copy.deepcopy(ready(laplacian)).eval()
    found = getattr(layer, method)(x)
    if method == "read_out":
        return known(layer)
    return found


def _calls(method: str) -> SearchStrategy[Case]:
    x: SearchStrategy[Any] = either(tensors(*SOME), odd_tensors(*SOME))
    if method == "loss":
        y = st.builds(torch.zeros, st.integers(2, 9), one_of(2, 3))
        some = st.builds(Data, x=tensors(*SOME), y=either(y, odd))
        x = either(x, graphs(10, WIDTH), some)
    if method in ("forward", "loss"):
        # NaN stays NaN, as in any module.
        x = x.filter(lambda given: is_moderate(getattr(given, "x", given)))
    if method == "read_out":
        several = st.lists(tensors(*SOME), max_size=3)
        x = either(x, graphs(40, WIDTH), odd_graphs(40, WIDTH), several)

    def case(laplacian: str, x: Any) -> Case:
        given = {"laplacian": laplacian, "method": method, "x": x}

        def check(found: Any) -> None:
            if method == "forward":
                assert found.shape == (len(x), 2)

        return Case(called, given, check, names=NAMES)

    return st.builds(case, KINDS, x)


def restored(laplacian: str, dtype: torch.dtype) -> Any:
    """A layer with the state of another one, in some precision."""
    state = ready(laplacian).state_dict()
    layer = BASiSLayer(
        *(WIDTH, 2, ANCHORS),
        num_neighbors=5,
        laplacian=laplacian,
        generator=generator(),
    )
    layer.load_state_dict({name: value.to(dtype) for name, value in state.items()})
    return known(layer)


def _states() -> SearchStrategy[Case]:
    def case(laplacian: str, dtype: torch.dtype) -> Case:
        def check(answer: Any) -> None:
            expected = known(copy.deepcopy(ready(laplacian)))
            assert torch.equal(answer[1], expected[1]), "rows as before"

        return Case(restored, {"laplacian": laplacian, "dtype": dtype}, check)

    return st.builds(case, KINDS, one_of(torch.float32, torch.float64))
