from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected
from typer.testing import CliRunner, Result

from pyg_basis import BASiS
from pyg_basis.cli import app

# Of a training that takes a moment, for BASiS and for the command line.
SMALL = {"n_neighbors": 8, "batch_size": 64, "n_anchors": 16, "max_iter": 5}

Run = Callable[..., Result]


@pytest.fixture
def small() -> list[str]:
    """The options of a training that takes a moment."""
    return [
        part
        for name, value in SMALL.items()
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]


@pytest.fixture
def small_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes them the defaults, for commands that have no such options."""
    for name, value in SMALL.items():
        monkeypatch.setitem(BASiS.__init__.__kwdefaults__, name, value)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which the test runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    """Runs the command line in the empty folder."""

    def invoke(*arguments: Any) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

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
    return folder / "model.pt"


@pytest.fixture
def graph(ring: Data, folder: Path) -> Path:
    torch.save(ring, folder / "graph.pt")
    return folder / "graph.pt"


@pytest.fixture
def points(blobs: np.ndarray, folder: Path) -> Path:
    np.save(folder / "points.npy", blobs)
    return folder / "points.npy"
