from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pyg_basis.cli._labels import read_labelled

KINDS = np.array(["a", "b", "a"])


@pytest.fixture(autouse=True)
def _files(folder: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, 2, 3], "y": [4.0, 5, 6], "kind": KINDS})
    frame.to_csv("table.csv", index=False)
    frame.to_parquet("table.parquet")
    np.save("points.npy", np.eye(3))
    np.save("kinds.npy", KINDS)
    np.savez("kinds.npz", KINDS)
    frame[["kind"]].to_csv("kinds.csv", index=False)
    frame[["kind"]].to_parquet("kinds.parquet")


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_a_column_of_the_points_is_no_feature(name: str) -> None:
    points, labels = read_labelled(Path(name), None, None, "kind")
    assert labels is not None and labels.tolist() == KINDS.tolist()
    assert points.names == ["x", "y"]
    assert points.rows.tolist() == [[1, 4], [2, 5], [3, 6]]


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".parquet"])
@pytest.mark.parametrize("name", ["points.npy", "table.csv"])
def test_a_file_of_labels(suffix: str, name: str) -> None:
    columns = "x,y" if name == "table.csv" else None
    points, labels = read_labelled(Path(name), None, columns, f"kinds{suffix}")
    assert labels is not None and labels.tolist() == KINDS.tolist()
    assert len(points.rows) == 3


def test_no_labels() -> None:
    points, labels = read_labelled(Path("table.csv"), None, "x", None)
    assert labels is None and points.names == ["x"]


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (
            "colour",
            r"--labels='colour' is neither a column of 'points\.npy' nor a file",
        ),
        ("kinds.txt", r"'kinds\.txt' has the suffix '\.txt': use \.npy or \.npz"),
        ("bad.npy", r"'bad\.npy' is no array of labels that numpy\.save wrote"),
        ("points.npy", r"has the shape \[3, 3\], but there are 3 points"),
        ("few.csv", r"has the shape \[2\], but there are 3 points.*is the header"),
        ("table.csv", "has 3 columns: labels must be one"),
    ],
)
def test_bad_labels(labels: str, match: str) -> None:
    Path("kinds.txt").touch()
    Path("bad.npy").touch()
    Path("few.csv").write_text("a\nb\na\n")
    with pytest.raises((ValueError, FileNotFoundError), match=match):
        read_labelled(Path("points.npy"), None, None, labels)


def test_missing_points() -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.csv' is no file"):
        read_labelled(Path("none.csv"), None, None, "kind")
