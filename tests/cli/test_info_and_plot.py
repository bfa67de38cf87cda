import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from pyg_basis import BASiS
from pyg_basis.readout.rayleigh_ritz import BLOCK_ROWS

from .conftest import Run

BEGINNINGS = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}


# --- info


def test_facts_of_a_model(run: Run, model: Path, fitted: BASiS) -> None:
    facts = json.loads(run("info", model, "--json").out)
    assert facts["kind"] == "embedding" and facts["n_clusters"] is None
    assert facts["n_features_in"] == 3 and facts["feature_names_in"] == []
    assert facts["n_iter"] == 5
    assert facts["last_loss"] == fitted.history_["loss"][-1]
    assert facts["eigenvalues"] == fitted.eigenvalues_.tolist()
    assert facts["quality"] == fitted.quality_
    assert facts["parameters"].items() <= fitted.get_params().items()
    # Ten thousand were asked for, of 300 points.
    assert facts["parameters"]["reference_size"] == 10_000
    assert facts["used"]["reference_size"] == 300


def test_as_text(run: Run, model: Path, fitted: BASiS) -> None:
    result = run("info", model)
    assert result.status == 0 and result.err == ""
    lines = dict(line.partition(": ")[::2] for line in result.out.splitlines())
    assert lines["n_clusters"] == "None" and lines["  laplacian"] == "rw"
    assert lines["eigenvalues"] == str(fitted.eigenvalues_.tolist())


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            np.array([[1.5, np.nan]] * BLOCK_ROWS + [[np.inf, -2]], np.float32),
            {"dtype": "float32", "missing": {"1": BLOCK_ROWS}, "infinite": 1}
            | {"minimum": -2, "maximum": 1.5, "shape": [BLOCK_ROWS + 1, 2]},
        ),
        (
            np.full((3, 2), np.nan),
            {"minimum": None, "missing": {"0": 3, "1": 3}},
        ),
        (np.array([[1, 2**53 + 1]]), {"dtype": "int64", "maximum": 2**53 + 1}),
    ],
)
def test_facts_of_points(run: Run, rows: Any, expected: dict[str, Any]) -> None:
    np.save("points.npy", rows)
    facts = json.loads(run("info", "points.npy", "--json").out)
    assert facts["kind"] == "points" and expected.items() <= facts.items()


def test_facts_of_a_table(run: Run, table: pd.DataFrame) -> None:
    table = table.astype({"kind": object})
    table.loc[3, "y"] = None
    table.loc[4:6, "kind"] = None
    table.assign(z=[*table["z"][:-1], "text"]).to_csv("table.csv", index=False)
    result = run("info", "table.csv", "--json")
    assert result.status == 0 and result.err == ""
    facts = json.loads(result.out)
    assert facts["columns"] == ["x", "y"] and facts["other_columns"] == ["z", "kind"]
    assert facts["missing"] == {"y": 1, "kind": 3}
    table.to_parquet("table.parquet")
    assert "columns: ['x', 'y', 'z']\n" in run("info", "table.parquet").out
    table[:0].to_csv("empty.csv", index=False)
    assert json.loads(run("info", "empty.csv", "--json").out)["shape"][0] == 0


# --- plot


@pytest.fixture
def embedding(folder: Path) -> np.ndarray:
    rows = np.random.default_rng(0).normal(size=(50, 4))
    np.save("embedding.npy", rows)
    return rows


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved."""
    saved: list[Figure] = []
    savefig = Figure.savefig

    def spy(self: Figure, *args: Any, **kwargs: Any) -> None:
        saved.append(self)
        savefig(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", spy)
    return saved


@pytest.mark.usefixtures("embedding")
@pytest.mark.parametrize("suffix", BEGINNINGS)
def test_kinds_of_pictures(run: Run, model: Path, suffix: str) -> None:
    for file in (model, "embedding.npy"):
        options = ["--output", f"a{suffix}", "--force"]
        assert run("plot", file, *options) == (0, "", "")
        assert Path(f"a{suffix}").read_bytes().startswith(BEGINNINGS[suffix])


def test_an_embedding(run: Run, embedding: np.ndarray, figures: list[Figure]) -> None:
    kinds = np.array(["red", "blue"])[np.arange(50) % 2]
    embedding = embedding.round(3)  # pandas before 3.1 rounds the last bit of more
    table = pd.DataFrame(embedding, columns=[*"abcd"]).assign(kind=kinds)
    table.to_csv("table.csv", index=False)
    options = ["--axes", 2, 4, "--labels", "kind", "--output", "a.png"]
    assert run("plot", "table.csv", *options).status == 0
    (ax,) = figures[0].axes
    drawn = np.asarray(ax.collections[0].get_offsets())
    assert sorted(drawn.tolist()) == sorted(embedding[:, [1, 3]].tolist())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("eigenvector 2", "eigenvector 4")
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["blue", "red"]


def test_a_model(run: Run, model: Path, fitted: BASiS, figures: list[Figure]) -> None:
    assert run("plot", model, "--output", "a.png").status == 0
    loss, eigenvalues = figures[0].axes
    assert np.array_equal(loss.lines[0].get_ydata(), fitted.history_["loss"])
    assert np.array_equal(eigenvalues.lines[0].get_ydata(), fitted.eigenvalues_)
    legend = eigenvalues.get_legend()
    assert legend is not None
    assert legend.get_texts()[1].get_text() == f"gap after 3: {fitted.eigengap_:.2g}"


@pytest.mark.usefixtures("embedding", "model")
@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("model.pt --labels labels.npy", 2, "--labels and --axes are for an embedding"),
        ("model.pt --axes 1 2", 2, "--labels and --axes are for an embedding"),
        ("embedding.npy --axes 1", 2, "--axes"),
        ("embedding.npy --axes 0 1", 1, "--axes 0 1: choose two from 1 to 4"),
        ("embedding.npy --axes 1 5", 1, "--axes 1 5: choose two from 1 to 4"),
        ("narrow.npy", 1, "--axes 1 2: choose two from 1 to 1"),
        ("nan.npy", 1, "'nan.npy', row 1, column 0"),
    ],
)
def test_bad_arguments(run: Run, arguments: str, status: int, message: str) -> None:
    np.save("labels.npy", np.zeros(50))
    np.save("narrow.npy", np.zeros((3, 1)))
    np.save("nan.npy", np.array([[0, 0], [np.nan, 0]]))
    before = sorted(os.listdir())
    result = run("plot", *arguments.split(), "--output", "new.png")
    assert result.status == status and message in result.err
    assert sorted(os.listdir()) == before
    result = run("plot", "none.npy", "--output", "a.jpg")
    assert "'a.jpg' has the suffix '.jpg': use .png or .pdf or .svg" in result.err
