"""The command ``pyg-basis``, which wraps the estimators."""

import logging
import signal
import sys
import threading
import warnings
from argparse import ArgumentError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pyg_basis.cli._parser import new_parser, parse

# What shells give a command that a signal ended: Ctrl-C, or SIGTERM.
INTERRUPTED, TERMINATED = 130, 143


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line, by default that of this process, and returns the exit
    status. Reports errors in one line; with ``--traceback`` they are raised."""
    given = sys.argv[1:] if argv is None else list(argv)
    try:
        with _sigterm_as_exit():
            arguments = parse(given)
            _set_up_reports(arguments.quiet)
            from pyg_basis.cli import _commands

            getattr(_commands, arguments.command)(arguments)
    except ArgumentError as error:
        new_parser().error(str(error))
    except KeyboardInterrupt:
        _report("interrupted")
        return INTERRUPTED
    except Exception as error:
        if "--traceback" in given:
            raise
        _report(f"error: {_message(error)}")
        return 1
    return 0


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Lets SIGTERM unwind the stack, so that temporary files are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set what a signal does
        return
    # Python swallows and reports what is raised while an object is finalized. So it is
    # raised again each second, until the stack unwinds.
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


def _set_up_reports(quiet: bool) -> None:
    """Reports warnings in a line each, and what the package chooses by itself."""
    logging.basicConfig(format="pyg-basis: %(message)s", force=True)
    logging.getLogger("pyg_basis").setLevel("WARNING" if quiet else "INFO")
    warnings.showwarning = lambda message, *_, **__: _report(f"warning: {message}")
    # torch reports it once a process, of the format that the package works in.
    warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
    # Columns of files are matched by name before their rows are used.
    warnings.filterwarnings("ignore", "X does not have valid feature names")


def _report(message: str) -> None:
    from tqdm import tqdm

    tqdm.write(f"pyg-basis: {message}", file=sys.stderr)  # above a progress bar


def _message(error: Exception) -> str:
    # Later lines of scikit-learn's messages are advice on its own estimators.
    text = " ".join([line.strip() for line in str(error).splitlines() if line][:2])
    if isinstance(error, (ImportError, OSError, ValueError)):
        return text
    return f"{type(error).__name__}: {text} (--traceback shows where)"
