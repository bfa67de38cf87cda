"""Processes that form a process group, for the tests of trainings in several ranks."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

# Seconds, so that a rank that waits in vain fails a test.
LONGEST = 200


class Failure(NamedTuple):
    """What a rank raised."""

    kind: str
    message: str


class ProcessGroup:
    """Processes of one group, which wait for work."""

    def __init__(self, processes: list[Any], connections: list[Connection]) -> None:
        self.processes, self.connections = processes, connections
        self.size = len(processes)

    def run(self, work: Callable[..., Any], *arguments: Any) -> list[Any]:
        """What a function of a module gives in each rank, or raises. Its first argument
        is the rank."""
        for connection in self.connections:
            connection.send((work, arguments))
        return [self._received(i) for i in range(self.size)]

    def _received(self, rank: int) -> Any:
        if not self.connections[rank].poll(LONGEST):
            return Failure("waits", f"for more than {LONGEST} seconds")
        try:
            return self.connections[rank].recv()
        except EOFError:
            self.processes[rank].join()
            return Failure("ended", str(self.processes[rank].exitcode))


@contextmanager
def process_group(size: int, folder: Path) -> Iterator[ProcessGroup]:
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(size)]
    processes = [
        context.Process(
            target=_serve, args=(rank, size, folder / "store", pipes[rank][1])
        )
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    for _, theirs in pipes:
        theirs.close()
    try:
        yield ProcessGroup(processes, [own for own, _ in pipes])
    finally:
        for process in processes:
            process.kill()
            process.join()


def _serve(rank: int, size: int, store: Path, connection: Connection) -> None:
    torch.set_num_threads(1)
    # Processes that a shell runs in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=size
    )
    while True:
        work, arguments = connection.recv()
        try:
            connection.send(work(rank, *arguments))
        except (Exception, KeyboardInterrupt) as error:
            connection.send(Failure(type(error).__name__, str(error)))
