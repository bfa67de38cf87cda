from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from pyg_basis import BASiS
from pyg_basis.cli import main

# Of a training that takes a moment.
SMALL = {"n_neighbors": 8, "batch_size": 64, "n_anchors": 16, "max_iter": 5}


class Result(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which the test runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs the command line in the empty folder, with quick defaults."""
    for name, value in SMALL.items():
        monkeypatch.setitem(BASiS.__init__.__kwdefaults__, name, value)

    def invoke(*arguments: Any) -> Result:
        capsys.readouterr()
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = int(end.code or 0)
        return Result(status, *capsys.readouterr())

    return invoke


@pytest.fixture(scope="session")
def blobs() -> np.ndarray:
    """Three blobs of a hundred points each, in turn."""
    noise = np.random.default_rng(0).normal(size=(300, 3))
    return (noise + 8 * np.eye(3)[np.arange(300) % 3]).astype(np.float32)


@pytest.fixture(scope="session")
def table(blobs: np.ndarray) -> pd.DataFrame:
    """The blobs in double precision with names, and a column of text."""
    kinds = np.array(["red", "green", "blue"])[np.arange(300) % 3]
    return pd.DataFrame(blobs.astype(float), columns=["x", "y", "z"]).assign(kind=kinds)


@pytest.fixture(scope="session")
def ring(blobs: np.ndarray) -> Data:
    """The blobs with edges that have nothing to do with them: each point is tied to
    the next three."""
    node = torch.arange(300)
    steps = [torch.stack([node, (node + step) % 300]) for step in (1, 2, 3)]
    edges = to_undirected(torch.cat(steps, dim=1))
    return Data(x=torch.from_numpy(blobs), edge_index=edges)


@pytest.fixture(scope="session")
def fitted(blobs: np.ndarray) -> BASiS:
    return BASiS(3, laplacian="rw", random_state=0, **SMALL).fit(blobs)


@pytest.fixture
def model(fitted: BASiS, folder: Path) -> Path:
    fitted.save(folder / "model.pt")
    return Path("model.pt")


@pytest.fixture
def points(blobs: np.ndarray, folder: Path) -> Path:
    np.save(folder / "points.npy", blobs)
    return Path("points.npy")
