import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from .conftest import Run

BEGINNINGS = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}


@pytest.fixture
def embedding(folder: Path) -> Path:
    np.save("embedding.npy", np.random.default_rng(0).normal(size=(50, 4)))
    return folder / "embedding.npy"


@pytest.mark.parametrize("suffix", BEGINNINGS)
def test_kinds_of_pictures(run: Run, model: Path, embedding: Path, suffix: str) -> None:
    for file in (model, embedding):
        output = f"{file.stem}{suffix}"
        result = run("plot", file, "--output", output)
        assert result.exit_code == 0 and result.output == ""
        assert Path(output).read_bytes().startswith(BEGINNINGS[suffix])


def test_a_picture_of_an_embedding(run: Run, embedding: Path) -> None:
    np.save("labels.npy", np.arange(50) % 2)
    pictures = {}
    for name, options in {
        "plain": [],
        "axes": ["--axes", 3, 4],
        "labels": ["--labels", "labels.npy"],
    }.items():
        assert run("plot", embedding, "-o", f"{name}.png", *options).exit_code == 0
        pictures[name] = Image.open(f"{name}.png").convert("RGB")
    colors = {
        name: {color for _, color in picture.getcolors(10**6)}
        for name, picture in pictures.items()
    }
    orange = (0xEF, 0xB1, 0x18)  # of the second class, in the legend
    assert orange in colors["labels"] and orange not in colors["plain"]
    assert pictures["plain"].tobytes() != pictures["axes"].tobytes()
    assert min(pictures["plain"].size) > 400


def test_edges_are_not_drawn(run: Run, graph: Path, points: Path) -> None:
    for path in (graph, points):
        assert run("plot", path, "--output", f"{path.stem}.png").exit_code == 0
    assert Path("graph.png").read_bytes() == Path("points.png").read_bytes()


def test_labels_of_a_column(run: Run, table: pd.DataFrame, folder: Path) -> None:
    table.to_csv("table.csv", index=False)
    arguments = ["table.csv", "--labels", "kind", "--axes", 1, 3]
    result = run("plot", *arguments, "--output", "a.png")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["model.pt", "--labels", "labels.npy"], 2, "--labels and --axes"),
        (["model.pt", "--axes", "1", "2"], 2, "--labels and --axes"),
        (["embedding.npy", "--axes", "1", "9"], 1, "--axes=1 9 are not both"),
        (["embedding.npy", "--axes", "1"], 2, "--axes"),
        (["embedding.npy", "--labels", "few.npy"], 1, "has the shape [3], but there"),
        (["narrow.npy"], 1, "--axes=1 2 are not both among the 1 columns"),
        (["none.npy"], 1, "'none.npy' is no file"),
        (["bad.pt"], 1, "'bad.pt' cannot be mapped"),
    ],
)
def test_bad_inputs(
    run: Run,
    model: Path,
    embedding: Path,
    arguments: list[Any],
    code: int,
    message: str,
) -> None:
    np.save("few.npy", np.zeros(3))
    np.save("narrow.npy", np.zeros((3, 1)))
    Path("bad.pt").write_bytes(b"garbage")
    before = sorted(os.listdir())
    result = run("plot", *arguments, "--output", "new.png")
    assert result.exit_code == code and message in result.stderr
    assert sorted(os.listdir()) == before


def test_outputs_are_checked_first(run: Run) -> None:
    result = run("plot", "none.npy", "--output", "a.jpg")
    assert result.exit_code == 1
    assert "has the suffix '.jpg': use .png or .pdf or .svg" in result.stderr
