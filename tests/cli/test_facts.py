import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from pyg_basis import BASiS, __version__
from pyg_basis.cli import _facts
from pyg_basis.cli._clusters import new_clustering
from pyg_basis.cli._facts import facts_of_model, facts_of_points
from pyg_basis.cli._model_file import Model
from pyg_basis.cli._points import Points

from .conftest import SMALL


def test_facts_of_an_embedding(fitted: BASiS) -> None:
    facts = facts_of_model(Model(fitted, None))
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["kind"] == "embedding" and facts["n_clusters"] is None
    assert facts["read_by"] == f"pyg_basis {__version__}"
    assert facts["n_features_in"] == 3 and facts["feature_names_in"] == []
    assert facts["n_iter"] == 5
    assert facts["last_loss"] == fitted.history_["loss"][-1]
    assert facts["eigenvalues"] == fitted.eigenvalues_.tolist()
    assert facts["quality"] == fitted.quality_
    assert facts["parameters"]["laplacian"] == "rw"
    assert facts["parameters"]["n_anchors"] == 16
    # Ten thousand were asked for, of 300 points.
    assert facts["parameters"]["reference_size"] == 10_000
    assert facts["used"]["reference_size"] == 300
    assert facts["used"]["n_anchors"] == 16


def test_facts_without_an_eigengap() -> None:
    # Two features and the constant: no further eigenvalue is known.
    angle = 2 * torch.pi * torch.arange(300) / 300
    x = torch.stack([angle.cos(), angle.sin()], dim=1)
    nodes = torch.arange(300)
    edges = torch.cat(
        [torch.stack([nodes, (nodes + s) % 300]) for s in (1, 2, 3, 4)], 1
    )
    ring = Data(x=x, edge_index=torch.cat([edges, edges.flip(0)], dim=1))
    settings: dict[str, Any] = {**SMALL, "network": torch.nn.Linear(2, 4)}
    narrow = BASiS(3, random_state=0, graph="coarsened", **settings).fit(ring)
    facts = facts_of_model(Model(narrow, None))
    assert len(facts["eigenvalues"]) == 3 and facts["quality"]["eigengap"] is None
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_facts_without_a_read_out(blobs: np.ndarray) -> None:
    fitted = BASiS(2, readout=False, random_state=0, **SMALL).fit(blobs)
    facts = facts_of_model(Model(fitted, None))
    assert len(facts["eigenvalues"]) == 2  # and so no gap
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["quality"] is None and facts["parameters"]["readout"] is False


def test_facts_of_a_clustering(fitted: BASiS, blobs: np.ndarray) -> None:
    points = Points(Path("a.npz"), blobs)
    clustering = new_clustering(points, fitted, 4, 0, quiet=True)
    facts = facts_of_model(Model(fitted, clustering))
    assert facts["kind"] == "clustering" and facts["n_clusters"] == 4


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            np.array([[1.5, np.nan], [np.inf, -2], [0, 3]], np.float32),
            {"dtype": "float32", "minimum": -2, "maximum": 3, "nan": 1, "infinite": 1},
        ),
        (
            np.full((3, 2), np.nan),
            {"minimum": None, "maximum": None, "nan": 6, "infinite": 0},
        ),
        (
            np.array([[1, 2**53 + 1], [3, 4], [5, 6]]),
            {"dtype": "int64", "minimum": 1, "maximum": 2**53 + 1, "nan": 0},
        ),
        (
            torch.tensor([[1.5, 2], [3, 4], [5, 6]], dtype=torch.bfloat16),
            {"dtype": "bfloat16", "minimum": 1.5, "maximum": 6},
        ),
    ],
)
@pytest.mark.parametrize("block_rows", [1, 2, 8192])
def test_facts_of_points(
    rows: Any,
    expected: dict[str, Any],
    block_rows: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(_facts.blocks.__globals__, "BLOCK_ROWS", block_rows)
    facts = facts_of_points(Points(Path("a.npy"), rows))
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["shape"] == [3, 2] and facts["columns"] == []
    assert {name: facts[name] for name in expected} == expected
