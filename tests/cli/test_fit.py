from inspect import signature
from pathlib import Path
from typing import Any, Literal
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data

from pyg_basis import BASiS
from pyg_basis.cli._options import LEFT_OUT
from pyg_basis.estimators import preset
from pyg_basis.estimators.presets import PRESETS

from .conftest import SMALL, Run


def same(first: BASiS, second: BASiS) -> bool:
    states = (first.layer_.state_dict(), second.layer_.state_dict())
    return (
        first.get_params() == second.get_params()
        and states[0].keys() == states[1].keys()
        and all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    )


def test_as_the_estimator(run: Run, points: Path, blobs: np.ndarray) -> None:
    options = ["--n-components", 3, "--laplacian", "rw", "--seed", 7]
    result = run("fit", points, "--output", "model.pt", *options)
    assert result.status == 0, result.err
    expected = BASiS(3, laplacian="rw", random_state=7, **SMALL).fit(blobs)
    assert same(BASiS.load("model.pt"), expected)
    assert result.out == "" and "5/5" in result.err  # the progress bar
    loss = expected.history_["loss"][-1]
    end = f"model.pt: 3 components, 5 iterations, last loss {loss:.4g}\n"
    assert result.err.endswith(end)


# --- options made from the signature


def test_every_parameter_has_an_option(run: Run) -> None:
    text = run("fit", "--help").out.partition("parameters of BASiS:")[2]
    text = " ".join(text.replace(",", "").split())
    defaults = {n: p.default for n, p in signature(BASiS).parameters.items()}
    for name in defaults.keys() - LEFT_OUT:
        _, found, rest = text.partition(f"--{name.replace('_', '-')} ")
        shown = rest.partition("[default: ")[2].partition("]")[0]
        assert found and shown == str(defaults[name]).lower(), name
    assert "--laplacian sym|rw|comb " in text
    assert "--n-anchors INT Nodes that all batches share. [default: 16]" in text
    assert "`" not in text and "--network" not in text


def test_a_new_parameter_needs_no_change(
    run: Run, points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Renamed(BASiS):
        """An estimator.

        Args:
            take_all (bool): Says :obj:`x` of 5% of
                :class:`~torch.nn.Linear`. And more.
            width (float or str, optional): Size; for experts.
        """

        def __init__(
            self,
            take_all: bool = True,
            width: Literal["wide"] | float | None = None,
            verbose: bool = False,
        ) -> None:
            super().__init__(verbose=verbose)
            self.take_all, self.width = take_all, width

        def fit(self, X: Any, y: Any = None, **kwargs: Any) -> "Renamed":
            raise ValueError(f"given: {self.take_all} {self.width!r}")

    for module in ("_options", "_commands"):
        monkeypatch.setattr(f"pyg_basis.cli.{module}.BASiS", Renamed)
    text = " ".join(run("fit", "--help").out.split())
    option = "--take-all, --no-take-all Says x of 5% of Linear. [default: true]"
    assert option in text and "--width wide|FLOAT|none Size [default: none]" in text
    for options, expected in {
        "": "True None",
        "--no-take-all --width 2.5": "False 2.5",
        "--width wide": "True 'wide'",
        "--width none": "True None",
    }.items():
        result = run("fit", points, "-o", "model.pt", *options.split())
        assert f"given: {expected}" in result.err


def test_a_preset(
    run: Run, table: pd.DataFrame, blobs: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS["official"], "max_iter", 3)
    table.to_csv("table.csv", index=False)
    given = ["--preset", "official", "--n-components", 3, "--learning-rate", 0.01]
    paths = ["table.csv", "--labels", "kind", "--output", "model.pt"]
    result = run("fit", *paths, *given, "--seed", 0)
    assert result.status == 0, result.err
    assert "pyg-basis: warning: n_samples = 300 is below batch_size=512" in result.err
    basis = BASiS.load("model.pt")
    settings = {**preset("official", 3), "learning_rate": 0.01, "random_state": 0}
    with pytest.warns(UserWarning, match="n_samples"):
        assert same(basis, BASiS(**settings).fit(blobs, table["kind"]))
    assert basis.feature_names_in_.tolist() == [*"xyz"]


def test_weights(run: Run, table: pd.DataFrame, blobs: np.ndarray) -> None:
    counts = np.arange(300) % 3
    table.drop(columns="kind").assign(count=counts).to_csv("table.csv", index=False)
    given = ["--n-components", 3, "--max-iter", 3, "--seed", 0, "--output", "model.pt"]
    result = run("fit", "table.csv", "--weights", "count", *given)
    assert result.status == 0, result.err
    expected = BASiS(3, max_iter=3, random_state=0)
    assert same(BASiS.load("model.pt"), expected.fit(blobs, sample_weight=counts))


# --- points


@pytest.mark.parametrize("suffix", [".npy", ".pt"])
def test_mapped_files_are_given_as_paths(
    run: Run, blobs: np.ndarray, monkeypatch: Any, suffix: str
) -> None:
    path = Path(f"points{suffix}")
    np.save("points.npy", blobs)
    torch.save(torch.from_numpy(blobs), "points.pt")
    fit = Mock(side_effect=ValueError)
    monkeypatch.setattr(BASiS, "fit", fit)
    monkeypatch.setattr(np, "load", None)
    run("fit", path, "--output", "model.pt")
    fit.assert_called_once_with(path, None, sample_weight=None)


def test_edges_of_a_file_are_learned(run: Run, ring: Data, blobs: np.ndarray) -> None:
    torch.save(ring, "graph.pt")
    options = ["graph.pt", "-o", "m.pt", "--laplacian", "sym", "--seed", 0]
    settings = {"laplacian": "sym", "random_state": 0, **SMALL}
    result = run("fit", *options)
    assert result.status == 0, result.err
    assert "pyg-basis: graph_targets='exact': 300 nodes are within" in result.err
    assert same(BASiS.load("m.pt"), BASiS(**settings).fit(ring))
    result = run("fit", *options, "--graph", "knn", "--force", "--quiet")
    assert result.status == 0 and "graph=" not in result.err
    expected = BASiS(graph="knn", **settings).fit(blobs)
    assert same(BASiS.load("m.pt"), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--n-components 0", "'n_components' parameter of BASiS must be an int"),
        ("--laplacian a", "'laplacian' parameter of BASiS must be a str among"),
        ("--graph edges", "graph='edges' needs edges, and X has none"),
        ("--preset none", "'name' parameter of preset must be a str among"),
        ("--key a", "--key is for .npz: leave"),
        ("--labels none", "'none' is no file: check the path"),
        ("--preset paper", "anchor_method='per_class' needs one label a point"),
        ("", "'points.npy', row 250, column 2, both counted from 0, is inf: leave"),
    ],
)
def test_errors_before_training(
    run: Run,
    blobs: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    options: str,
    message: str,
) -> None:
    rows = blobs.copy()
    if not options:
        rows[250, 2] = np.inf
    np.save("points.npy", rows)
    monkeypatch.setattr("pyg_basis.estimators.basis.train", None)
    result = run("fit", "points.npy", "--output", "model.pt", *options.split())
    assert result.status == 1 and message in result.err and result.err.count("\n") == 1
    assert [file.name for file in Path().iterdir()] == ["points.npy"]


def test_values_of_options_are_not_taken_for_files(run: Run, points: Path) -> None:
    assert run("fit", "--seed", 5, points, "-o", "model.pt").status == 0
    assert BASiS.load("model.pt").random_state == 5
    result = run("fit", "--seed", 5, "none.npy", "-o", "other.pt")
    assert result.status == 1 and "'none.npy' is no file" in result.err


def test_parameters_are_checked_before_the_points_are_read(run: Run) -> None:
    Path("bad.npy").write_text("no array")
    result = run("fit", "bad.npy", "--output", "model.pt", "--n-neighbors", 0)
    assert result.status == 1 and "'n_neighbors' parameter" in result.err
