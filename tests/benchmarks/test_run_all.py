import json

import numpy as np
import pytest
import run_all


@pytest.fixture
def data_root(tmp_path):
    """Images of ten classes: a bright bar in a row of its own, and noise."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, size in (("train", 700), ("test", 300)):
        labels = np.arange(size) % 10
        images = rng.integers(0, 60, (size, 28, 28))
        images[np.arange(size), 2 * labels + 4] += 180
        arrays[f"x_{part}"] = images.astype(np.uint8)
        arrays[f"y_{part}"] = labels.astype(np.uint8)
    np.savez(tmp_path / "mnist.npz", **arrays)
    return tmp_path


def test_quick_run_writes_results_table_and_picture(data_root, tmp_path):
    output = tmp_path / "output"
    arguments = ["--datasets", "mnist", "--seeds", "2", "--quick"]
    arguments += ["--data-root", str(data_root), "--cache-dir", str(tmp_path / "cache")]
    run_all.main([*arguments, "--output", str(output)])

    record = json.loads((output / "table1_mnist.json").read_text())
    runs = record["results"]["runs"]
    assert [(run["method"], run["seed"]) for run in runs] == [
        ("basis", 0),
        ("basis", 1),
        ("exact", 0),
        ("exact", 1),
    ]
    for run in runs:
        assert 0 <= run["grassmann_distance"] <= 10
        assert 0 <= run["nmi"] <= 1
    assert runs[0]["iterations"] == 20
    assert runs[2]["grassmann_distance"] == 0
    assert str(tmp_path) not in (output / "table1_mnist.json").read_text()
    table = (output / "table1_mnist.md").read_text()
    assert "exact" in table
    assert "0.107" in table  # the paper's d_G beside ours
    assert (output / "table1_mnist.png").stat().st_size > 10_000


def test_unknown_dataset_is_named(capsys):
    with pytest.raises(SystemExit):
        run_all.main(["--datasets", "imagenet"])
    assert "imagenet" in capsys.readouterr().err
