import gc
import os
import signal
import subprocess
import sys
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn
from torch.utils.data import get_worker_info

from tests.estimators.inputs import Rows, blocks, quick, same, three_blobs

ROOT = Path(__file__).parents[2]


def workers() -> list[str]:
    """Children of this process, without those that other tests' pools keep."""
    return [child.name for child in active_children() if "Loky" not in child.name]


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("graph_targets", [None, "exact", "coarsened"])
def test_workers_change_nothing(graph_targets: Any) -> None:
    points: Any = three_blobs() if graph_targets is None else blocks()
    settings = {"graph_targets": graph_targets or "auto", "alignment": "ransac"}
    alone, helped = (
        quick(num_workers=count, **settings).fit(points) for count in (0, 2)
    )
    assert same(helped, alone, points)


def test_training_that_ends_early_ends_its_workers() -> None:
    # More batches never make the features as much better as that.
    basis = quick(tol=1.0, num_workers=2, max_iter=1000).fit(three_blobs())
    assert basis.n_iter_ <= 20
    assert workers() == []


class Breaks(nn.Linear):
    """Fails in the middle of the training."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.steps = getattr(self, "steps", 0) + 1
            if self.steps == 3:
                assert len(workers()) == 2
                raise ZeroDivisionError("in the third step")
        return super().forward(x)


def test_errors_of_a_step_end_the_workers() -> None:
    with pytest.raises(ZeroDivisionError, match="in the third step"):
        quick(num_workers=2, network=Breaks(3, 2)).fit(three_blobs())
    assert workers() == []


class BrokenInWorkers(Rows):
    def __getitem__(self, index: int) -> Any:
        if index == 50 and get_worker_info() is not None:
            raise OSError(f"row {index} cannot be read")
        return self.x[index]


def test_errors_of_a_worker_reach_the_caller() -> None:
    with pytest.raises(OSError, match="row 50 cannot be read"):
        quick(num_workers=2, max_iter=1000).fit(BrokenInWorkers(three_blobs()))
    gc.collect()  # the traceback, which holds them
    assert workers() == []


INTERRUPTED = r"""
import os
import signal

import numpy as np
from torch.utils.data import get_worker_info
from tests.estimators.inputs import Rows, quick, three_blobs


class Reports(Rows):
    has_reported = False

    def __getitem__(self, index):
        worker = get_worker_info()
        if worker is not None and not self.has_reported:
            os.write(1, f"worker {worker.id}\n".encode())  # at once
            self.has_reported = True
        return self.x[index]


# Shells let their background jobs ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
x = three_blobs()
basis = quick(max_iter=3).fit(x)
before = basis.transform(x)
try:
    basis.set_params(max_iter=10**6, tol=None, num_workers=2).fit(Reports(x))
    print("kept", 0 < basis.n_iter_ < 10**6)
except KeyboardInterrupt:
    print("interrupted", np.array_equal(basis.transform(x), before))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups")
def test_ctrl_c_ends_a_fit_with_workers() -> None:
    script = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", INTERRUPTED],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert script.stdout is not None
        started = {script.stdout.readline() for _ in range(2)}
        assert started == {"worker 0\n", "worker 1\n"}
        os.killpg(script.pid, signal.SIGINT)
        # The pipe ends when no process holds it, neither script nor workers.
        printed, _ = script.communicate(timeout=60)
    except BaseException:
        os.killpg(script.pid, signal.SIGKILL)
        raise
    # It may come before the first batch is done.
    assert printed in ("kept True\n", "interrupted True\n") and script.returncode == 0
