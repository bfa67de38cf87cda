import os
import time
from multiprocessing import Process
from pathlib import Path

import pytest
import torch
from tasks import run_tasks


def described(first, second):
    return first + second, torch.get_num_threads(), os.getpid()


def refuse(value):
    raise LookupError(f"no {value}")


@pytest.mark.parametrize("processes", [1, 2])
def test_every_task_is_done_in_one_thread(processes):
    threads = torch.get_num_threads()
    tasks = [(1, 2), (3, 4), (5, 6)]
    try:
        results = dict(run_tasks(described, tasks, processes, "sums"))
    finally:
        torch.set_num_threads(threads)
    assert {task: result[0] for task, result in results.items()} == {
        task: sum(task) for task in tasks
    }
    assert {result[1] for result in results.values()} == {1}
    in_this_process = {result[2] == os.getpid() for result in results.values()}
    assert in_this_process == {processes == 1}


def pid_then_wait(path):
    path.write_text(str(os.getpid()))
    time.sleep(600)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_workers_end_with_a_killed_process(tmp_path):
    paths = [tmp_path / "first", tmp_path / "second"]
    process = Process(
        target=lambda: list(
            run_tasks(pid_then_wait, [(path,) for path in paths], 2, "waiting")
        )
    )
    process.start()
    deadline = time.monotonic() + 100
    while not all(path.exists() and path.read_text() for path in paths):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    workers = [int(path.read_text()) for path in paths]
    assert all(map(is_running, workers))
    process.kill()
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_nothing_to_do():
    assert list(run_tasks(described, [], 2, "sums")) == []


def test_an_error_comes_through():
    with pytest.raises(LookupError, match="no such"):
        list(run_tasks(refuse, [("such",)], 2, "errors"))
