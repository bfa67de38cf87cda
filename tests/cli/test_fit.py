import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data

from pyg_basis import BASiS
from pyg_basis.align.fit_affine import AlignmentMethod
from pyg_basis.estimators import preset
from pyg_basis.estimators._parameters import LAPLACIANS
from pyg_basis.estimators.presets import PRESETS
from pyg_basis.loader.choose_anchors import AnchorMethod

from .conftest import SMALL, Run


def same(first: BASiS, second: BASiS) -> bool:
    states = (first.layer_.state_dict(), second.layer_.state_dict())
    return (
        first.get_params() == second.get_params()
        and states[0].keys() == states[1].keys()
        and all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    )


def test_as_the_estimator(
    run: Run, points: Path, small: list[str], blobs: np.ndarray
) -> None:
    options = ["--n-components", 3, "--laplacian", "rw", "--drop-trivial", "--seed", 7]
    result = run("fit", points, "--output", "model.pt", *options, *small)
    assert result.exit_code == 0, result.output
    expected = BASiS(3, laplacian="rw", drop_trivial=True, random_state=7, **SMALL).fit(
        blobs
    )
    assert same(BASiS.load("model.pt"), expected)
    assert result.stdout == ""
    assert "5/5" in result.stderr  # the progress bar
    loss = expected.history_["loss"][-1]
    end = f"model.pt: 3 components, 5 iterations, last loss {loss:.4g}\n"
    assert result.stderr.endswith(end)


@pytest.mark.parametrize("kind", [".npy", ".npz", ".csv", ".parquet", ".pt"])
def test_every_kind_of_file(
    run: Run, small: list[str], table: pd.DataFrame, blobs: np.ndarray, kind: str
) -> None:
    path = Path(f"points{kind}")
    chosen: list[str] = []
    if kind in (".csv", ".parquet"):
        chosen = ["--columns", "x,y,z"]
        write = table.to_csv if kind == ".csv" else table.to_parquet
        write(path)
    elif kind == ".npz":
        chosen = ["--key", "rows"]
        np.savez(path, rows=blobs, other=blobs[:10])
    elif kind == ".pt":
        torch.save(torch.from_numpy(blobs), path)
    else:
        np.save(path, blobs)
    options = ["--n-components", 3, "--seed", 0, "--quiet", *chosen, *small]
    result = run("fit", path, "-o", "m.pt", *options)
    assert result.exit_code == 0 and result.output == ""
    basis = BASiS.load("m.pt")
    # The tables have double precision, of which a sample is taken in single.
    assert same(basis, BASiS(3, random_state=0, **SMALL).fit(blobs))
    names = getattr(basis, "feature_names_in_", np.array([])).tolist()
    assert names == (["x", "y", "z"] if kind in (".csv", ".parquet") else [])


@pytest.mark.parametrize("suffix", [".npy", ".pt"])
def test_mapped_files_stay_mapped(
    run: Run,
    blobs: np.ndarray,
    fitted: BASiS,
    suffix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []

    def fit(self: BASiS, X: Any, y: Any = None) -> BASiS:
        seen.append(X)
        vars(self).update(vars(fitted))
        return self

    path = Path(f"points{suffix}")
    if suffix == ".npy":
        np.save(path, blobs)
    else:
        torch.save(torch.from_numpy(blobs), path)
    monkeypatch.setattr(BASiS, "fit", fit)
    monkeypatch.setattr("numpy.load", None)
    assert run("fit", path, "--output", "model.pt").exit_code == 0
    assert seen == [path]


def test_edges_of_a_file_are_learned(
    run: Run, small: list[str], graph: Path, ring: Data, blobs: np.ndarray
) -> None:
    options = ["-o", "m.pt", "--laplacian", "rw", "--seed", 0, *small]
    settings = {"laplacian": "rw", "random_state": 0, **SMALL}
    result = run("fit", graph, *options)
    assert result.exit_code == 0, result.output
    assert "pyg-basis: graph='whole': 300 nodes are within" in result.stderr
    assert same(BASiS.load("m.pt"), BASiS(**settings).fit(ring))
    chosen = ["--graph", "neighbors", "--force", "--quiet"]
    result = run("fit", graph, *options, *chosen)
    assert result.exit_code == 0 and "graph=" not in result.output
    with pytest.warns(UserWarning, match="fell into more than 2 components"):
        expected = BASiS(graph="neighbors", **settings).fit(blobs)
    assert same(BASiS.load("m.pt"), expected)
    # Only training needs edges.
    assert run("transform", "m.pt", graph, "-o", "e.npy").exit_code == 0
    assert np.array_equal(np.load("e.npy"), expected.transform(blobs))


def test_a_data_without_edges_is_its_features(
    run: Run, small: list[str], blobs: np.ndarray
) -> None:
    torch.save(Data(x=torch.from_numpy(blobs)), "data.pt")
    options = ["-o", "m.pt", "--n-components", 3, "--seed", 0, *small]
    assert run("fit", "data.pt", *options).exit_code == 0
    assert same(BASiS.load("m.pt"), BASiS(3, random_state=0, **SMALL).fit(blobs))


def test_edges_need_no_labels(
    run: Run, graph: Path, ring: Data, small: list[str]
) -> None:
    options = ["-o", "m.pt", "--anchors", "per_class", "--seed", 0, "--force", *small]
    result = run("fit", graph, *options)
    assert result.exit_code == 0, result.output
    expected = BASiS(anchors="per_class", random_state=0, **SMALL).fit(ring)
    assert same(BASiS.load("m.pt"), expected)
    result = run("fit", graph, *options, "--graph", "neighbors")
    assert result.exit_code == 1 and "needs --labels" in result.stderr


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("points.npy", ["--graph", "whole"], "graph='whole' needs edges, and X has"),
        ("points.npy", ["--graph", "none"], "graph='none' cannot be used: it must be"),
        ("adj_t.pt", [], "X has its edges as adj_t: pass them as edge_index"),
    ],
)
def test_edges_are_checked_before_the_points_are_read(
    run: Run,
    points: Path,
    ring: Data,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: list[str],
    message: str,
) -> None:
    torch.save(Data(x=ring.x, adj_t=ring.edge_index), "adj_t.pt")
    monkeypatch.setattr("pyg_basis.cli._points.blocks", None)
    result = run("fit", name, "--output", "model.pt", *options)
    assert result.exit_code == 1 and f"error: {message}" in result.stderr


def test_a_preset(
    run: Run, table: pd.DataFrame, blobs: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS["official"], "max_iter", 3)
    table.to_csv("table.csv", index=False)
    given = ["--preset", "official", "--n-components", 3, "--learning-rate", 0.01]
    paths = ["table.csv", "--labels", "kind", "--output", "model.pt"]
    result = run("fit", *paths, *given, "--seed", 0)
    assert result.exit_code == 0, result.output
    assert "warning: n_samples = 300 is below batch_size=512" in result.stderr
    basis = BASiS.load("model.pt")
    expected = BASiS(
        **{**preset("official", 3), "learning_rate": 0.01, "random_state": 0}
    )
    assert basis.get_params() == expected.get_params()
    assert basis.anchors == "per_class" and basis.feature_names_in_.tolist() == [*"xyz"]
    with pytest.warns(UserWarning, match="n_samples"):
        assert same(basis, expected.fit(blobs, table["kind"]))


@pytest.mark.parametrize(("text", "value"), [("2.5", 2.5), ("global", "global")])
def test_bandwidth(
    run: Run, points: Path, small: list[str], text: str, value: Any
) -> None:
    result = run("fit", points, "-o", "m.pt", "--bandwidth", text, "--quiet", *small)
    assert result.exit_code == 0, result.output
    assert BASiS.load("m.pt").bandwidth == value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--n-components 0", "n_components=0 cannot be used: it must be an integer"),
        ("--laplacian none", "laplacian='none' cannot be used: it must be one of"),
        ("--device cuda:99", "device='cuda:99' cannot be used"),
        ("--seed -1", "eed"),
        ("--anchors per_class", "anchors='per_class' needs --labels: give a column"),
        ("--preset none", "name='none' cannot be used: it must be one of 'paper', 'of"),
        ("--preset paper", "anchors='per_class' needs --labels"),
        ("--labels none", "--labels='none' is neither a column of"),
        ("--key a", "--key='a' is for .npz files"),
    ],
)
def test_bad_options(run: Run, points: Path, options: str, message: str) -> None:
    result = run("fit", points, "--output", "model.pt", *options.split())
    assert result.exit_code == 1
    assert result.stderr.startswith("pyg-basis: error: ")
    assert message in result.stderr and len(result.stderr.splitlines()) <= 2
    assert [file.name for file in Path().iterdir()] == ["points.npy"]


def test_parameters_are_checked_before_the_points_are_read(run: Run) -> None:
    result = run("fit", "none.npy", "--output", "model.pt", "--n-neighbors", 0)
    assert result.exit_code == 1 and "n_neighbors=0" in result.stderr


def test_help_tells_the_defaults_and_the_names(run: Run) -> None:
    text = " ".join(run("fit", "--help").output.split())
    shown = {
        name.replace("-", "_"): value
        for name, value in re.findall(
            r"--([a-z-]+) (?:(?!--[a-z]).)*?\[default: ([^\]]*)\]", text
        )
    }
    defaults = BASiS().get_params()
    assert len(shown) == 14
    assert shown == {name: str(defaults[name]) for name in shown}
    for names in (LAPLACIANS, get_args(AnchorMethod), get_args(AlignmentMethod)):
        (listed,) = (entry for entry in text.split() if {*entry.split("|")} == {*names})
        assert listed
    assert "|".join(PRESETS) in text


def test_not_finite(run: Run, blobs: np.ndarray) -> None:
    rows = blobs.copy()
    rows[250, 2] = np.inf
    np.save("points.npy", rows)
    result = run("fit", "points.npy", "--output", "model.pt")
    assert result.exit_code == 1
    assert result.stderr == (
        "pyg-basis: error: 'points.npy', row 250, column 2, both counted from 0, is "
        "inf: leave such rows out or replace the values\n"
    )
    assert [file.name for file in Path().iterdir()] == ["points.npy"]
