import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmarks.lib.alone import ROOT
from benchmarks.lib.tasks import run_tasks

# Seconds that only what hangs takes, however slow the machine.
LIMIT = 300


def described(first, second):
    return first + second, torch.get_num_threads(), os.getpid()


def refuse(value):
    raise LookupError(f"no {value}")


@pytest.mark.parametrize("processes", [1, 2])
def test_every_task_is_done_in_one_thread(processes):
    tasks = [(1, 2), (3, 4), (5, 6)]
    results = dict(run_tasks(described, tasks, processes, "sums"))
    assert {task: result[0] for task, result in results.items()} == {
        task: sum(task) for task in tasks
    }
    assert {result[1] for result in results.values()} == {1}
    in_this_process = {result[2] == os.getpid() for result in results.values()}
    assert in_this_process == {processes == 1}


def test_nothing_to_do():
    assert list(run_tasks(described, [], 2, "sums")) == []


def test_an_error_comes_through():
    with pytest.raises(LookupError, match="no such"):
        list(run_tasks(refuse, [("such",)], 2, "errors"))


SCRIPT = """
import os, sys, time
from benchmarks.lib.tasks import run_tasks
from pathlib import Path

def wait(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(3000)

if __name__ == "__main__":
    list(run_tasks(wait, [(path,) for path in sys.argv[1:]], 2, "waiting"))
"""


def is_running(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # before or while it is read
        return False
    return "Z" not in stat.rpartition(")")[2].split()


def wait_until(condition):
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_ctrl_c_ends_everything(tmp_path):
    paths = [tmp_path / str(number) for number in range(6)]
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), *map(str, paths)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        wait_until(lambda: sum(p.exists() and p.read_text() != "" for p in paths) >= 2)
        workers = [int(path.read_text()) for path in paths if path.exists()]
        os.killpg(process.pid, signal.SIGINT)  # the workers hear it as well
        process.communicate(timeout=LIMIT)
        wait_until(lambda: not any(map(is_running, workers)))
    finally:
        process.kill()
    assert process.returncode != 0
    # No task that was still waiting has begun.
    assert sum(path.exists() for path in paths) == 2
