"""Models and points in files that are damaged or of another kind."""

import io
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from torch_geometric.data import Data

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.data import FeatureSource
from pyg_basis.estimators._checkpoint import _first_line
from tests.fuzz.estimators import fitted
from tests.fuzz.inputs import (
    ODD,
    either,
    one_of,
)
from tests.fuzz.judge import Case

X = np.linspace(-2, 2, 60).reshape(20, 3)
FOREIGN = (
    *(b"", b"\0" * 100, b"PK\x03\x04", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff"),
    *(b"garbage" * 50, b"\x80\x02}q\x00.", b"\x80\x04N.", b"a,b\n1,2\n", b"%PDF-1.4"),
)


def cases() -> SearchStrategy[Case]:
    """Files of models, in which bytes or entries differ, and files of points."""
    return either(_models(), _models(), _entries(), _points(), _kinds())


@st.composite
def damaged(draw: DrawFn, content: Callable[[], bytes]) -> bytes:
    """The content of a file, of which some is flipped, lost, swapped or foreign."""
    whole = content()
    place = st.integers(0, len(whole) - 1)
    first, last = sorted((draw(place), draw(place)))
    change = draw(one_of("flip", "cut", "without", "twice", "zero", "swap", "foreign"))
    if change == "flip":
        byte = whole[first] ^ (1 << draw(st.integers(0, 7)))
        return whole[:first] + bytes([byte]) + whole[first + 1 :]
    if change == "foreign":
        return draw(either(one_of(*FOREIGN), st.binary(max_size=50)))
    head, middle, tail = whole[:first], whole[first:last], whole[last:]
    made = {
        "cut": head,
        "without": head + tail,
        "twice": head + middle + middle + tail,
        "zero": head + bytes(len(middle)) + tail,
        "swap": middle + head + tail,
    }
    return made[change]


@cache
def model() -> bytes:
    """The file of a fit."""
    with tempfile.TemporaryDirectory() as folder:
        fitted().save(Path(folder) / "model.pt")
        return (Path(folder) / "model.pt").read_bytes()


def load(path: str, content: bytes) -> Any:
    """The rows of a model in a file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path
        file.write_bytes(content)
        return BASiS.load(file).transform(X)


def _models() -> SearchStrategy[Case]:
    def check(rows: Any) -> None:
        assert np.array_equal(rows, fitted().transform(X)), "other rows"

    return damaged(model).map(
        lambda content: Case(load, {"path": "model.pt", "content": content}, check)
    )


def load_entries(path: str, keys: tuple[str, ...], value: Any, load: Any) -> Any:
    """A model of a file with another value in one place."""
    saved = torch.load(io.BytesIO(model().partition(b"\n")[2]), weights_only=True)
    place = saved
    for key in keys[:-1]:
        place = place[key]
    if value is LEFT_OUT:
        place.pop(keys[-1], None)  # no file holds the unknown parameter
    else:
        place[keys[-1]] = value
    with tempfile.TemporaryDirectory() as folder:
        payload = _saved(lambda file: torch.save(saved, file))
        (Path(folder) / path).write_bytes(_first_line(payload) + payload)
        return load(Path(folder) / path).transform(X)


LEFT_OUT = "left out"
KEYS = (
    *(("params",), ("sizes",), ("state_dict",), ("history",)),
    *(("eigenvalues",), ("quality",), ("clusters",), ("has_network",)),
    *(("n_features_in",), ("feature_names_in",), ("params", "n_components")),
    *(("params", "laplacian"), ("params", "device"), ("params", "unknown")),
    *(("history", "loss"), ("state_dict", "anchors"), ("state_dict", "output.bias")),
)
VALUES = (
    LEFT_OUT,
    *(
        v
        for v in ODD
        if v is None or isinstance(v, (bool, int, float, str, dict, list))
    ),
)


def _entries() -> SearchStrategy[Case]:
    def case(keys: tuple[str, ...], value: Any, cls: Any) -> Case:
        given = {"path": "model.pt", "keys": keys, "value": value, "load": cls}
        return Case(load_entries, given, names=("network",))

    loads = one_of(BASiS.load, BASiSClustering.load)
    return st.builds(case, one_of(*KEYS), one_of(*VALUES), loads)


def _saved(write: Callable[[Any], None]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


CONTENTS = {
    ".npy": _saved(lambda file: np.save(file, X)),
    ".pt": _saved(lambda file: torch.save(torch.from_numpy(X), file)),
    ".PT": _saved(lambda file: torch.save(Data(x=torch.from_numpy(X)), file)),
}


def read(data: str, content: bytes) -> Any:
    """The size of the points in a file, and the type of their rows."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / data
        file.write_bytes(content)
        source = FeatureSource(file)
        rows = source.__getitems__([0] if len(source) > 0 else [])
        return len(source), source.num_features, str(rows.dtype)


@st.composite
def _points(draw: DrawFn) -> Case:
    suffix = draw(one_of(*CONTENTS))
    content = draw(damaged(lambda: CONTENTS[suffix]))
    return Case(read, {"data": f"points{suffix}", "content": content})


OTHERS = (
    *(X.astype(object), X.astype(str), X[0], X[:0], X[:, :0], X + 1j, X.astype("f2")),
    *(np.array(1.0), X.astype(">f4"), np.zeros(3, dtype=[("a", float)]), X[..., None]),
    *(np.full((3, 2), np.nan), X.astype(bool), X.astype("M8[s]"), np.asfortranarray(X)),
    *(torch.zeros(3), torch.zeros(0, 2), torch.zeros(2, 0), torch.zeros(2, 3).half()),
    *(
        torch.eye(3).to_sparse(),
        torch.zeros(2, 2, dtype=torch.complex64),
        Data(),
        {},
        [],
    ),
    *(Data(x=torch.zeros(3)), Data(x=None), "text", None, 3, {"x": torch.zeros(2, 2)}),
)


@st.composite
def _kinds(draw: DrawFn) -> Case:
    """Files of all kinds of values, under all names."""
    value = draw(one_of(*OTHERS))
    is_array = isinstance(value, np.ndarray)

    def write(file: Any) -> None:
        np.save(file, value) if is_array else torch.save(value, file)

    suffix = draw(one_of(".npy", ".pt", ".csv", "", ".NPY", ".npz"))
    return Case(read, {"data": f"points{suffix}", "content": _saved(write)})
