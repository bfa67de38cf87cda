"""Many independent runs, one process a core."""

import argparse
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread, current_thread, main_thread
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

        def end_workers() -> None:
            for worker in set(active_children()).difference(others):
                worker.kill()

        pool = ProcessPoolExecutor(processes, get_context("spawn"), _init_worker)
        with _interrupts_deferred(end_workers) as interrupts, pool:
            try:
                futures = {pool.submit(function, *task): task for task in tasks}
                if interrupts:  # perhaps before the last worker was started
                    end_workers()
                for future in as_completed(futures):
                    yield futures[future], future.result()
                    progress.update()
            except BaseException:
                # Else the pool would wait until they have finished what they are at.
                end_workers()
                raise


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


@contextmanager
def _interrupts_deferred(meanwhile: Callable[[], None]) -> Iterator[list[int]]:
    """Ctrl-C calls the function at once and is raised when the block is left. In the
    midst of a pool it could leave a lock held, and all would wait for that for ever."""
    interrupts: list[int] = []
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or (
        current_thread() is not main_thread()
    ):
        yield interrupts  # there are none
        return

    def note(number: int, _: object) -> None:
        interrupts.append(number)
        meanwhile()

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if interrupts:
            raise KeyboardInterrupt from None  # not from the workers' end


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
