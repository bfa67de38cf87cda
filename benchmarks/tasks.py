"""Many independent runs, one process a core."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from tqdm import tqdm


def run_tasks(
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    processes: int,
    title: str,
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yields every task with what the function returns for its arguments, as they are
    done. A single process works in this one. Ctrl-C or an error ends all of them."""
    with tqdm(total=len(tasks), desc=title, disable=not tasks) as progress:
        if processes == 1:
            _one_thread()
            for task in tasks:
                yield task, function(*task)
                progress.update()
            return
        pool = ProcessPoolExecutor(processes, get_context("spawn"), _one_thread)
        try:
            futures = {pool.submit(function, *task): task for task in tasks}
            for future in as_completed(futures):
                yield futures[future], future.result()
                progress.update()
        finally:
            pool.shutdown(cancel_futures=True)


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _one_thread() -> None:
    torch.set_num_threads(1)
    threadpool_limits(1)
