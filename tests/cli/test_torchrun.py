"""Several processes of one command, as torchrun starts them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pyg_basis import BASiS

from .conftest import Run


@pytest.fixture
def torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the second of two processes."""
    values = {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "RANK": "1"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("torchrun")
def test_other_commands_are_refused(run: Run, model: Path, points: Path) -> None:
    for command in (["info", model], ["transform", model, points, "-o", "out.npy"]):
        result = run(*command)
        assert result.status == 2
        assert "torchrun starts 2 processes, and only those of fit" in result.err
    assert not Path("out.npy").exists()


def test_one_process_of_torchrun_is_alone(
    run: Run, points: Path, torchrun: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert run("fit", points, "--output", "model.pt").status == 0
    assert Path("model.pt").exists()


@pytest.mark.slow
def test_two_processes(folder: Path, blobs: np.ndarray) -> None:
    noise = np.random.default_rng(0).normal(size=(3000, 3)).astype(np.float32)
    np.save("points.npy", np.tile(blobs, (10, 1)) + noise)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*torchrun, "--nproc-per-node", "2", "-m", "pyg_basis", "fit"]
    settings = ["--n-components", "2", "--seed", "0", "--max-iter", "20"]
    words = [*command, "points.npy", "-o", "model.pt", *settings, "--tol", "none"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    # Rank 0 alone reports.
    assert done.stderr.count("2 components, 20 iterations") == 1
    assert BASiS.load("model.pt").n_iter_ == 20

    np.save("points.npy", np.full((3000, 3), np.nan))
    done = subprocess.run(
        [*words, "--force"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1
    assert "row 0, column 0" in done.stderr
    assert BASiS.load("model.pt").n_iter_ == 20  # as it was
