import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Exit status of a command that SIGTERM ended, as in shells.
TERMINATED = 143
# Seconds for a batch to end: clusters kill after 30.
PATIENCE = 10.0


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """Makes SIGTERM unwind the stack, so that temporary files are removed."""
    if not _is_main_thread():
        yield
        return
    # Python swallows and reports errors during finalization of an object. So the error
    # is raised again every second, until the stack unwinds.
    report, numbers = sys.unraisablehook, [signal.SIGTERM]
    if hasattr(signal, "setitimer"):
        numbers.append(signal.SIGALRM)

    def end(*_: Any) -> None:
        if len(numbers) > 1:
            signal.setitimer(signal.ITIMER_REAL, 1)
        if not isinstance(sys.exc_info()[1], SystemExit):
            sys.exit(TERMINATED)

    def report_others(ignored: Any) -> None:
        if not isinstance(ignored.exc_value, SystemExit):
            report(ignored)

    before = {number: signal.signal(number, end) for number in numbers}
    sys.unraisablehook = report_others
    try:
        yield
    finally:
        if len(numbers) > 1:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
        sys.unraisablehook = report


@contextmanager
def sigterm_after_batch() -> Iterator[Callable[..., None]]:
    """Defers SIGTERM to the end of a training batch, when the state is consistent.
    Yields the callback that raises the exit, after which a checkpoint is written. A
    batch that takes too long is interrupted. For use in :func:`sigterm_as_exit`."""
    received: list[int] = []

    def end(*_: Any) -> None:
        if received:
            sys.exit(TERMINATED)

    if not hasattr(signal, "setitimer") or not _is_main_thread():
        yield end
        return

    def wait(number: int, _: Any) -> None:
        received.append(number)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)

    before = signal.signal(signal.SIGTERM, wait)
    try:
        yield end
    finally:
        signal.signal(signal.SIGTERM, before)


def _is_main_thread() -> bool:
    """Only the main thread may set signal handlers."""
    return threading.current_thread() is threading.main_thread()
