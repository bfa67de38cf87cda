import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pyg_basis import BASiS, __version__

from .conftest import Run


def test_a_model(run: Run, model: Path, fitted: BASiS) -> None:
    facts = json.loads(run("info", model, "--json").stdout)
    assert facts["eigenvalues"] == fitted.eigenvalues_.tolist()
    assert facts["parameters"]["batch_size"] == 64
    assert facts["quality"] == fitted.quality_
    result = run("info", model)
    assert result.exit_code == 0 and result.stderr == ""
    lines = dict(
        line.split(None, 1) for line in result.stdout.splitlines() if " " in line
    )
    assert lines["kind"] == "embedding" and lines["n_iter"] == "5"
    assert lines["read_by"] == f"pyg_basis {__version__}"
    assert lines["feature_names_in"] == lines["n_clusters"] == "none"
    assert lines["laplacian"] == "rw"
    values = [float(value) for value in lines["eigenvalues"].split(", ")]
    np.testing.assert_allclose(values, fitted.eigenvalues_, rtol=1e-5)
    quality = fitted.quality_
    assert quality is not None and "quality" in result.stdout.splitlines()
    assert lines["grassmann_distance"] == f"{quality['grassmann_distance']:.6g}"
    assert len(lines["captured"].split(", ")) == 3
    assert lines["held_out"].strip() == "False" and lines["num_nodes"] == "300"


def test_a_clustering(run: Run, model: Path, points: Path) -> None:
    given = ["--model", model, "--n-clusters", 4, "--save-model", "clusters.pt"]
    assert run("cluster", points, *given, "--output", "labels.npy").exit_code == 0
    facts = json.loads(run("info", "clusters.pt", "--json").stdout)
    assert facts["kind"] == "clustering" and facts["n_clusters"] == 4


def test_points(run: Run, table: pd.DataFrame) -> None:
    rows = np.array([[1.5, np.nan], [-2, 4]])
    np.save("points.npy", rows)
    facts = json.loads(run("info", "points.npy", "--json").stdout)
    assert facts["shape"] == [2, 2] and facts["nan"] == 1
    assert "shape     2, 2\n" in run("info", "points.npy").stdout
    table.to_parquet("table.parquet")
    facts = json.loads(run("info", "table.parquet", "--json").stdout)
    assert facts["columns"] == ["x", "y", "z"]
    np.savez("two.npz", a=rows, b=rows[:1])
    facts = json.loads(run("info", "two.npz", "--key", "b", "--json").stdout)
    assert facts["shape"] == [1, 2]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.pt", "'none.pt' is no file"),
        ("bad.pt", "'bad.pt' cannot be mapped"),
        ("a.txt", "has the suffix '.txt'"),
        ("two.npz", "choose one of a, b"),
    ],
)
def test_bad_inputs(run: Run, name: str, message: str) -> None:
    Path("bad.pt").write_bytes(b"garbage")
    Path("a.txt").touch()
    np.savez("two.npz", a=np.eye(2), b=np.eye(2))
    result = run("info", name)
    assert result.exit_code == 1 and message in result.stderr and result.stdout == ""
