import argparse
import sys

import numpy as np
import pytest
import torch

from benchmarks.experiments import diffusion_maps
from pyg_basis.datasets import circle, circle_eigenfunctions
from pyg_basis.metrics import grassmann_distance
from pyg_basis.reference import ExactEmbedding


def test_a_quick_run_without_other_packages_and_data(quick) -> None:
    results = quick("diffusion_maps", "--peers-python", sys.executable)["results"]
    methods = {run["method"] for run in results["runs"]}
    assert {"DiffusionMap, alpha = 1", "Nyström, alpha = 1"} <= methods
    assert any(method.startswith("SpectralEmbedding") for method in methods)
    for run in results["runs"]:
        assert run["case"] == "circle"
        assert run.get("absent") or 0 <= run["grassmann_distance"] <= 5


def test_points_of_the_uneven_circle() -> None:
    x = diffusion_maps.uneven_circle(20_000, 0)
    torch.testing.assert_close(x.norm(dim=1), torch.ones(20_000))
    # The mean of cos under the density (1 + .9 cos) / 2 pi.
    assert float(x[:, 0].mean()) == pytest.approx(0.45, abs=0.02)


def test_nystroem_extends_the_exact_map() -> None:
    x, new = circle(2000, seed=0), circle(500, seed=1)
    found = diffusion_maps.nystroem(x, new, 4, 50, "global")
    rows = np.hstack([np.ones((500, 1)), found.rows])
    assert grassmann_distance(rows, circle_eigenfunctions(new, 5)) < 0.01


def test_spectral_embedding_is_that_of_the_same_graph() -> None:
    x = circle(2000, seed=0)
    rows = diffusion_maps.spectral_embedding(x, 4, 50, 0.1).rows
    exact = ExactEmbedding(4, 50, 0.1)(x.double())
    assert grassmann_distance(rows, exact.vectors) < 1e-6


def test_a_package_that_fails_is_no_absent_one(monkeypatch, tmp_path) -> None:
    script = tmp_path / "peers.py"
    script.write_text("raise ValueError('epsilon')")
    monkeypatch.setattr(diffusion_maps.diffusion_peers, "__file__", str(script))
    options = argparse.Namespace(peers_python=sys.executable)
    with pytest.raises(RuntimeError, match="epsilon"):
        diffusion_maps.peer("pydiffmap", options)
    script.write_text("import nowhere_to_be_found")
    assert diffusion_maps.peer("pydiffmap", options) is None
