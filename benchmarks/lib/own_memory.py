"""What a process needs of memory for itself."""

import ctypes
import gc
import threading
from pathlib import Path


class OwnMemory:
    """The highest anonymous memory of the process, which is what it needs for itself,
    in MiB; read ten times a second."""

    def __init__(self) -> None:
        release_freed_memory()
        self.before = self.peak = anonymous_memory()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "OwnMemory":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        self.thread.join()

    def _watch(self) -> None:
        while True:
            self.peak = max(self.peak, anonymous_memory())
            if self.stopped.wait(0.1):
                return


def release_freed_memory() -> None:
    """What was freed goes back to the system, so that it is not taken for used."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # of glibc
        trim(0)


def anonymous_memory() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise OSError("this kernel does not report the anonymous memory of a process")
