import os

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


def test_nothing_to_do():
    assert list(run_tasks(described, [], 2, "sums")) == []


def test_an_error_comes_through():
    with pytest.raises(LookupError, match="no such"):
        list(run_tasks(refuse, [("such",)], 2, "errors"))
