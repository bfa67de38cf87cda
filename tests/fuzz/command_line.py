"""The command line, in a folder with files of all kinds."""

import contextlib
import io
import logging
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from torch_geometric.data import Data

from pyg_basis.cli import main
from tests.fuzz.files import X, damaged, model
from tests.fuzz.inputs import one_of
from tests.fuzz.judge import INVALID, Case, RawError, WrongAnswer

QUICK = (
    *("--batch-size", "20", "--n-anchors", "8", "--n-neighbors", "4"),
    *("--max-iter", "2", "--seed", "0", "--quiet"),
)
# What an error may name: a file, an option, or what is made of one.
OPTIONS = (
    *("--key", "--columns", "--labels", "--preset", "--laplacian", "--alignment"),
    *(
        "--n-components",
        "--bandwidth",
        "--anchor-method",
        "--tol",
        "--device",
        "--graph",
    ),
    *("--learning-rate", "--eigen-solver", "--seed", "--unknown", "--n-clusters"),
)
NAMES = (
    *(
        "points",
        "nowhere",
        "model",
        "out",
        "labels",
        "axes",
        "X",
        "n_samples",
        "random_state",
    ),
    *(option.strip("-").replace("-", "_") for option in OPTIONS),
    *(option.strip("-") for option in OPTIONS),
)
TABLE = pd.DataFrame(X, columns=["a", "b", "c"]).assign(kind=["red", "blue"] * 10)


@cache
def contents() -> dict[str, bytes]:
    """Files of points, labels and a model, by their names."""
    edges = torch.stack([torch.arange(20), (torch.arange(20) + 1) % 20])
    graph = Data(x=torch.from_numpy(X), edge_index=torch.cat([edges, edges.flip(0)], 1))
    saved: dict[str, Any] = {
        "points.npy": lambda file: np.save(file, X),
        "labels.npy": lambda file: np.save(file, np.arange(20) % 2),
        "points.npz": lambda file: np.savez(file, a=X, b=X[:, :2]),
        "points.csv": lambda file: TABLE.to_csv(file, index=False),
        "points.parquet": lambda file: TABLE.to_parquet(file),
        "points.pt": lambda file: torch.save(torch.from_numpy(X), file),
        "points.graph.pt": lambda file: torch.save(graph, file),
    }
    made = {}
    for name, write in saved.items():
        file = io.BytesIO()
        write(file)
        made[name] = file.getvalue()
    return made | {"model.pt": model()}


def run(words: tuple[str, ...], damage: dict[str, bytes]) -> Any:
    """What a command prints and writes; raises its errors."""
    given = contents() | damage
    handlers, level = logging.root.handlers[:], logging.getLogger("pyg_basis").level
    out, err = io.StringIO(), io.StringIO()
    with tempfile.TemporaryDirectory() as folder, _within(folder):
        for name, content in given.items():
            Path(name).write_bytes(content)
        Path("points.d.npy").mkdir()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = main([*words, "--traceback"])
            if status != 0:
                raise WrongAnswer(f"exit status {status}: {err.getvalue()}")
        except BaseException as error:
            if isinstance(error, SystemExit) and error.code == 0:
                return out.getvalue()  # of --help and --version
            if written := _written(given):
                raise WrongAnswer(f"failed and left {[*written]}") from None
            raise
        finally:
            logging.root.handlers = handlers
            logging.getLogger("pyg_basis").setLevel(level)
        if INVALID.search(err.getvalue()):
            raise RawError(err.getvalue())
        rows = [
            np.load(file) for name, file in _written(given).items() if ".npy" in name
        ]
        return out.getvalue(), sorted(_written(given)), rows


def _written(given: dict[str, bytes]) -> dict[str, io.BytesIO]:
    """What is in the folder and was not given, or differs from it."""
    files = [path for path in Path().iterdir() if path.is_file()]
    found = {path.name: path.read_bytes() for path in files}
    return {
        name: io.BytesIO(content)
        for name, content in found.items()
        if given.get(name) != content
    }


@contextlib.contextmanager
def _within(folder: str) -> Any:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


POINTS = one_of(
    *("points.npy", "points.npz", "points.csv", "points.parquet", "points.pt"),
    *(
        "points.graph.pt",
        "points.txt",
        "labels.npy",
        "model.pt",
        "nowhere.npy",
        "points.d.npy",
    ),
)
ROWS = one_of("out.npy", "out.npz", "out.csv", "out.parquet", "out.txt", "points.npy")
ODD_WORDS = one_of(
    "", "-1", "0", "nan", "inf", "1e300", "9" * 30, "none", "é", "a,b", "x"
)
# Good options of each command; of others they are unknown.
READING = (("--key", "a"), ("--columns", "a,b"), ("--force",))
FITTING = (
    *(("--laplacian", "sym"), ("--no-readout",), ("--n-anchors", "9"), ("--seed", "3")),
    *(
        ("--bandwidth", "0.5"),
        ("--no-drop-first",),
        ("--tol", "none"),
        ("--graph", "knn"),
    ),
)
LABELED = (("--labels", "kind"), ("--labels", "labels.npy"))
GOOD_OPTIONS = {
    "fit": (
        *READING,
        *FITTING,
        *LABELED,
        *(("--n-components", "3"), ("--anchor-method", "per_class")),
    ),
    "transform": READING,
    "cluster": (*READING, *FITTING, ("--save-model", "out.pt"), ("--n-init", "2")),
    "info": (("--json",), *READING),
    "plot": (*READING, *LABELED, ("--axes", "1", "2"), ("--axes", "0", "9")),
}
OTHERS = (("--help",), ("--version",), ("--axes", "1", "2"), ("--save-model", "out.pt"))


@st.composite
def cases(draw: DrawFn) -> Case:
    """Commands with files and options of all kinds."""
    command = draw(one_of("fit", "transform", "cluster", "info", "plot"))
    words = [command]
    if command == "transform":
        words.append(draw(one_of("model.pt", "model.pt", "points.pt", "points.npy")))
    words.append(draw(POINTS))
    if command != "info":
        outputs = {
            "fit": one_of("out.pt", "out.npy"),
            "plot": one_of("out.png", "out.x"),
        }
        words += ["-o", draw(outputs.get(command, ROWS))]
    if command == "cluster":
        words += draw(one_of(("--n-clusters", "2"), ("--model", "model.pt"), ()))
    words += QUICK if command in ("fit", "cluster") else ()
    for option in draw(st.lists(one_of(*GOOD_OPTIONS[command]), max_size=2)):
        words += option
    if draw(st.integers(0, 9)) == 0:
        words += draw(one_of(*OTHERS))
    if draw(st.integers(0, 3)) == 0:
        words += [draw(one_of(*OPTIONS)), draw(ODD_WORDS)]
    damage = {}
    if draw(st.integers(0, 2)) == 0:
        name = draw(one_of(*contents()))
        damage[name] = draw(damaged(lambda: contents()[name]))
    given = {"words": tuple(words), "damage": damage}
    kinds = (ValueError, FileNotFoundError, OSError, ImportError, SystemExit)
    return Case(run, given, kinds=kinds, names=NAMES)
