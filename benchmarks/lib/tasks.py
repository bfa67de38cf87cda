"""Many independent runs, one process a core."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits
from tqdm import tqdm

Task = tuple[Any, ...]


def run_tasks(
    function: Callable[..., Any], tasks: Sequence[Task], processes: int, title: str
) -> Iterator[tuple[Task, Any]]:
    """Yields every task with what the function returns for its arguments, as they are
    done. A single process works in this one. Ctrl-C or an error ends all of them."""
    parallel = Parallel(processes, return_as="generator_unordered")
    done = parallel(delayed(_in_one_thread)(function, task) for task in tasks)
    yield from tqdm(done, title, len(tasks), disable=not tasks)


def _in_one_thread(function: Callable[..., Any], task: Task) -> tuple[Task, Any]:
    one_thread()
    return task, function(*task)


def one_thread() -> None:
    """One thread adds up in one order: the same seed gives the same figures."""
    torch.set_num_threads(1)
    threadpool_limits(1)
