import os
import signal
import subprocess
import sys
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, get_worker_info

from pyg_basis import BASiS

ROOT = Path(__file__).parents[2]


def points() -> Any:
    return np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)


def basis(**settings: Any) -> BASiS:
    settings = {"max_iter": 1000, "random_state": 0, "n_workers": 2, **settings}
    return BASiS(n_anchors=30, batch_size=80, n_neighbors=10, **settings)


def test_training_that_ends_early_ends_its_workers() -> None:
    # More batches never make the features as much better as that.
    model = basis(tol=1.0).fit(points())
    assert model.n_iter_ == 20
    assert active_children() == []


class Breaks(nn.Linear):
    """Fails in the middle of the training."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.steps = getattr(self, "steps", 0) + 1
            if self.steps == 3:
                assert len(active_children()) == 2
                raise ZeroDivisionError("in the third step")
        return super().forward(x)


def test_errors_of_a_step_end_the_workers() -> None:
    with pytest.raises(ZeroDivisionError, match="in the third step"):
        basis(network=Breaks(3, 2)).fit(points())
    assert active_children() == []


class BrokenInWorkers(Dataset[Any]):
    def __len__(self) -> int:
        return 300

    def __getitem__(self, index: int) -> Tensor:
        if index == 50 and get_worker_info() is not None:
            raise OSError(f"row {index} cannot be read")
        return torch.from_numpy(points()[index])


def test_errors_of_a_worker_reach_the_caller() -> None:
    with pytest.raises(OSError, match="row 50 cannot be read"):
        basis().fit(BrokenInWorkers())
    assert active_children() == []


INTERRUPTED = """
import torch
from torch.utils.data import Dataset, get_worker_info
from tests.estimators.test_workers import basis, points


class Reports(Dataset):
    x, has_reported = torch.from_numpy(points()), False

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        worker = get_worker_info()
        if worker is not None and not self.has_reported:
            print("worker", worker.id, flush=True)
            self.has_reported = True
        return self.x[index]


basis(max_iter=10**6).fit(Reports())
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups")
def test_ctrl_c_ends_everything() -> None:
    script = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert script.stdout is not None
        started = {script.stdout.readline() for _ in range(2)}
        assert started == {"worker 0\n", "worker 1\n"}
        os.killpg(script.pid, signal.SIGINT)
        # The pipes end when no process holds them, neither script nor workers.
        _, errors = script.communicate(timeout=300)
    except BaseException:
        os.killpg(script.pid, signal.SIGKILL)
        raise
    assert script.returncode in (-signal.SIGINT, 130)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    # torch has a worker tell when it was handing over a tensor at that moment.
    assert errors.count("Traceback (most recent call last)") <= 1 + 2
