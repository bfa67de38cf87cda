"""A training that SIGTERM ends, or a kill, goes on."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from pyg_basis import BASiS
from pyg_basis.cli import _sigterm

from .conftest import Run

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="POSIX signals"),
    pytest.mark.filterwarnings("ignore:the embedding holds"),
]
LONG = ["--max-iter", 40, "--tol", "none", "--checkpoint", "training"]
FILE = Path("training/training.pt")


@contextmanager
def sigterm_in_the_training() -> Iterator[None]:
    """SIGTERM comes as soon as there is a checkpoint."""

    def send() -> None:
        while not FILE.exists():
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    yield
    thread.join()


def num_batches() -> int:
    return len(torch.load(FILE, weights_only=True)["state"]["records"])


@pytest.mark.parametrize("seed", [["--seed", 0], []])
def test_sigterm_writes_one(run: Run, points: Path, seed: list[object]) -> None:
    command = ["fit", points, *LONG, *seed, "--output"]
    with sigterm_in_the_training():
        assert run(*command, "model.pt").status == 143
    assert not Path("model.pt").exists() and 10 < num_batches() < 40
    number = num_batches()
    result = run(*command, "model.pt")
    assert result.status == 0, result.err
    assert f"goes on after {number} batches" in result.err
    assert os.listdir("training") == ["finished.pt"]
    if seed:
        command[command.index("training")] = "another"
        assert run(*command, "whole.pt").status == 0
        states = [
            BASiS.load(path).layer_.state_dict() for path in ("model.pt", "whole.pt")
        ]
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[1])


def test_of_a_clustering(run: Run, points: Path) -> None:
    command = ["cluster", points, "--n-clusters", 3, "--seed", 0, *LONG, "--output"]
    with sigterm_in_the_training():
        assert run(*command, "labels.npy").status == 143
    assert run(*command, "labels.npy").status == 0
    command[command.index("training")] = "another"
    assert run(*command, "whole.npy").status == 0
    assert np.array_equal(np.load("labels.npy"), np.load("whole.npy"))


def test_a_step_that_takes_long_is_ended(
    run: Run, points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        time.sleep(30)
        pytest.fail("SIGTERM waits")

    monkeypatch.setattr(BASiS, "fit", fit)
    monkeypatch.setattr(_sigterm, "PATIENCE", 0.1)
    before = signal.getsignal(signal.SIGTERM)
    assert run("fit", points, *LONG, "-o", "model.pt").status == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_it_is_for_a_training(run: Run, points: Path, model: Path) -> None:
    result = run("cluster", points, "--model", model, "--n-clusters", 3, "-o", "a.npy")
    assert result.status == 0, result.err
    given = ["--checkpoint", "training", "-o", "b.npy"]
    result = run("cluster", points, "--model", model, "--n-clusters", 3, *given)
    assert result.status == 2
    assert "checkpoint: leave out, --model has an embedding" in result.err


def test_another_training_is_refused_in_a_line(run: Run, points: Path) -> None:
    with sigterm_in_the_training():
        run("fit", points, *LONG, "--seed", 0, "-o", "model.pt")
    result = run("fit", points, *LONG, "--seed", 1, "-o", "model.pt")
    assert result.status == 1
    assert "(random_state: 0 there, 1 here)" in result.err.splitlines()[-1]
