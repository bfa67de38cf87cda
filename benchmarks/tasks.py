"""Many independent runs, one process a core."""

import argparse
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from results import make_output_folder
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
        _one_thread()  # here too: a record tells the threads of this process
        if processes == 1:
            for task in tasks:
                yield task, function(*task)
                progress.update()
            return
        others = active_children()
        pool = ProcessPoolExecutor(processes, get_context("spawn"), _init_worker)
        try:
            futures = {pool.submit(function, *task): task for task in tasks}
            for future in as_completed(futures):
                yield futures[future], future.result()
                progress.update()
        except BaseException:
            # Else they would finish what they are at. Killed, they are not waited for,
            # so that a second Ctrl-C finds nothing to break into.
            for worker in set(active_children()).difference(others):
                worker.kill()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of every script that runs many tasks on the image sets."""
    add = parser.add_argument
    add("--data-root", type=Path, help="folder of <name>.npz; else from OpenML")
    add("--cache-dir", type=Path, default=Path("cache"), help="of the features")
    add("--output", type=Path, help="folder (default: benchmarks/results)")
    add("--processes", type=int, default=num_cores(), help="(default: one a core)")


def add_run_options(parser: argparse.ArgumentParser, seeds: int) -> None:
    """Those and the ones of scripts with several runs and a smoke run."""
    add_options(parser)
    add = parser.add_argument
    add("--seeds", type=int, default=seeds, help=f"runs of each (default: {seeds})")
    add("--quick", action="store_true", help="a smoke run; by default to runs/quick")


def parse_run_options(
    parser: argparse.ArgumentParser, arguments: list[str] | None
) -> argparse.Namespace:
    """Their values, checked; the folder for the output is there."""
    options = parser.parse_args(arguments)
    if options.seeds < 1 or options.processes < 1:
        parser.error("--seeds and --processes must be at least 1")
    make_output_folder(options)
    return options


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _init_worker() -> None:
    # Ctrl-C reaches the whole group: the parent hears of it and ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _one_thread()
    parent = parent_process()
    assert parent is not None
    # Workers of a killed process would wait for tasks for ever.
    sentinel = parent.sentinel
    Thread(target=lambda: wait([sentinel]) and os._exit(1), daemon=True).start()


def _one_thread() -> None:
    torch.set_num_threads(1)
    threadpool_limits(1)
