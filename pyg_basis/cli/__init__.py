"""The command ``pyg-basis``, which wraps the estimators."""

import logging
import sys
import warnings
from argparse import ArgumentError
from collections.abc import Sequence

from pyg_basis.cli._parser import new_parser, parse
from pyg_basis.cli._sigterm import sigterm_as_exit
from pyg_basis.cli._torchrun import COMMANDS, is_first, num_processes

# Exit status of a command that Ctrl-C ended, as in shells.
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line, by default that of this process, and returns the exit
    status. Reports errors in one line; with ``--traceback`` they are raised."""
    given = sys.argv[1:] if argv is None else list(argv)
    try:
        with sigterm_as_exit():
            arguments = parse(given)
            if num_processes() > 1 and arguments.command not in COMMANDS:
                raise ArgumentError(
                    None,
                    f"torchrun starts {num_processes()} processes, and only those of "
                    f"{', '.join(COMMANDS)} work together: leave it out",
                )
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


def _set_up_reports(quiet: bool) -> None:
    """Reports warnings, and choices of the package, in one line each."""
    logging.basicConfig(format="pyg-basis: %(message)s", force=True)
    logging.getLogger("pyg_basis").setLevel("WARNING" if quiet else "INFO")
    warnings.showwarning = lambda message, *_, **__: _report(f"warning: {message}")
    if not is_first():  # rank 0 reports the same
        logging.getLogger("pyg_basis").setLevel("ERROR")
        warnings.simplefilter("ignore")
    # torch warns once per process about CSR, the format that the package uses.
    warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
    # Columns of files are matched by name before their rows are used.
    warnings.filterwarnings("ignore", "X does not have valid feature names")


def _report(message: str) -> None:
    from tqdm import tqdm

    tqdm.write(f"pyg-basis: {message}", file=sys.stderr)  # above a progress bar


def _message(error: Exception) -> str:
    # Later lines of scikit-learn's messages are advice for its own estimators.
    text = " ".join([line.strip() for line in str(error).splitlines() if line][:2])
    if isinstance(error, (ImportError, OSError, ValueError)):
        return text
    return f"{type(error).__name__}: {text} (--traceback shows where)"
