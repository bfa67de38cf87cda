import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

INTERRUPTED = 130  # what shells give a command that Ctrl-C ended


class _Told(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(f"pyg-basis: {record.getMessage()}", err=True)


@contextmanager
def reported(traceback: bool, quiet: bool = True) -> Iterator[None]:
    """Tells warnings and errors on stderr, in a line or two each, and, unless it is to
    be quiet, what the package chooses by itself.

    Raises:
        typer.Exit: With status 1 after an error, with 130 after Ctrl-C. Where the
            traceback is asked for, the error itself is raised.
        typer.BadParameter: As it came.
    """
    with warnings.catch_warnings(), _choices_told(quiet):
        # Said by torch once a process, of the format the package works in.
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        # Columns of files are matched by name before their rows are used.
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        warnings.showwarning = _show_warning
        try:
            yield
        except KeyboardInterrupt:
            typer.echo("pyg-basis: interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except typer.BadParameter:
            raise  # of the usage: typer tells it, with status 2
        except Exception as error:
            if traceback:
                raise
            typer.echo(f"pyg-basis: error: {_message(error)}", err=True)
            raise typer.Exit(1) from error


@contextmanager
def _choices_told(quiet: bool) -> Iterator[None]:
    logger, handler = logging.getLogger("pyg_basis"), _Told()
    level = logger.level
    if not quiet:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    typer.echo(f"pyg-basis: warning: {message}", err=True)


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{str(error.filename)!r}: {error.strerror}"
    # Later lines of scikit-learn's messages are advice on its own estimators.
    told = [line.strip() for line in str(error).splitlines() if line.strip()][:2]
    if isinstance(error, (ImportError, OSError, ValueError)):
        return "\n".join(told)
    return "\n".join(
        [f"{type(error).__name__}: {' '.join(told)}", "--traceback shows where"]
    )
