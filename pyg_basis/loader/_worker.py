import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter


def init_worker(worker_id: int, then: Callable[[int], object] | None = None) -> None:
    r"""Sets up a worker process of a :class:`torch.utils.data.DataLoader`: it
    computes in one thread and leaves Ctrl-C to the process that started it.

    Args:
        worker_id (int): Number of the worker, from 0.
        then (callable, optional): Called with :obj:`worker_id` afterwards.
            (default: :obj:`None`)
    """
    # The terminal interrupts the whole group; the parent stops its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # torch limits its own threads in a worker, not those of NumPy and SciPy.
    threadpool_limits(1)
    if then is not None:
        then(worker_id)


@contextmanager
def one_pass(loader: DataLoader[Any]) -> Iterator[Iterator[Any]]:
    r"""The batches of a pass as :class:`torch.utils.data.DataLoader` makes them. Its
    workers end with the block, however that is left; those that are persistent stay.
    """
    batches: Iterator[Any] = iter(())
    try:
        with interrupts_deferred():
            batches = DataLoader.__iter__(loader)
        yield batches
    finally:
        # The traceback of an error would keep the iterator and its workers.
        if (
            isinstance(batches, _MultiProcessingDataLoaderIter)
            and not loader.persistent_workers
        ):
            batches._shutdown_workers()


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    r"""Lets Ctrl-C wait until the block is left.

    In the middle of a fork it would be lost, or leave a worker that nobody
    knows of; and the worker would print a traceback before
    :func:`init_worker` is reached.
    """
    previous = signal.getsignal(signal.SIGINT)
    # Python calls its handlers in the main thread only; None was not set by Python.
    if threading.current_thread() is not threading.main_thread() or previous is None:
        yield
        return
    interrupts: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if interrupts:
            signal.raise_signal(signal.SIGINT)
