import errno
import logging
import warnings

import pytest
import typer

from pyg_basis.cli._reported import reported


def told(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(typer.Exit) as caught, reported(traceback=False):
        raise error
    captured = capsys.readouterr()
    assert captured.out == ""
    return caught.value.exit_code, captured.err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("a=1 is bad: use 2"), "a=1 is bad: use 2"),
        (ValueError("first\n\n  second\nthird"), "first\nsecond"),
        (ImportError("needs pyarrow"), "needs pyarrow"),
        (FileExistsError("'a' exists"), "'a' exists"),
        (OSError(errno.ENOSPC, "No space left", "a.npy"), "'a.npy': No space left"),
        (KeyError("x"), "KeyError: 'x'\n--traceback shows where"),
        (MemoryError(), "MemoryError: \n--traceback shows where"),
    ],
)
def test_errors(
    error: Exception, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(error, capsys) == (1, f"pyg-basis: error: {message}\n")


def test_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(KeyboardInterrupt(), capsys) == (130, "pyg-basis: interrupted\n")


def test_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="a=1"), reported(traceback=True):
        raise ValueError("a=1")
    assert capsys.readouterr().err == ""


def test_wrong_usage_is_left_to_typer() -> None:
    with pytest.raises(typer.BadParameter), reported(traceback=False):
        raise typer.BadParameter("give it")


def test_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    before = warnings.showwarning
    with reported(traceback=False):
        warnings.warn("n_samples is low", UserWarning, stacklevel=1)
        warnings.warn("X does not have valid feature names", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "pyg-basis: warning: n_samples is low\n"
    assert warnings.showwarning is before


def test_nothing_to_report(capsys: pytest.CaptureFixture[str]) -> None:
    with reported(traceback=False):
        pass
    assert capsys.readouterr() == ("", "")


def test_choices_are_told_unless_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("pyg_basis")
    before = logger.level, list(logger.handlers)
    for quiet, expected in ((False, "pyg-basis: chosen: 3\n"), (True, "")):
        with reported(traceback=False, quiet=quiet):
            logger.info("chosen: %d", 3)
        assert capsys.readouterr().err == expected
    assert (logger.level, logger.handlers) == before
