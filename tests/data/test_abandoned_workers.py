"""Workers end when the process that started them was killed, however early."""

import os
import signal
import subprocess
import sys
import time

import pytest

SCRIPT = """
import os, sys, time
import numpy as np, torch
from pyg_basis.data import GraphLoader

class Targets:
    def targets(self, drawn, seed=0):
        raise AssertionError("no batch is made")

def wait_until_abandoned(worker):
    parent = os.getppid()
    print(os.getpid(), flush=True)
    while os.getppid() == parent:
        time.sleep(0.05)

if __name__ == "__main__":
    loader = GraphLoader(
        torch.rand(20, 2), Targets(), np.arange(20), 5, 1, num_workers=1,
        multiprocessing_context=sys.argv[1], worker_init_fn=wait_until_abandoned,
    )
    next(iter(loader))
"""


@pytest.mark.skipif(os.name != "posix", reason="asks for the parent as POSIX does")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_whose_parent_was_killed_before_it_began(tmp_path, method) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, str(script), method], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
        end = time.monotonic() + 60
        while is_running(worker) and time.monotonic() < end:
            time.sleep(0.1)
        was_left = is_running(worker)
        if was_left:
            os.kill(worker, signal.SIGKILL)
    assert not was_left


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
        # Nobody may be there to ask for the exit status of an orphan.
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
