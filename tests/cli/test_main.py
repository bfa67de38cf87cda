"""Help, examples, reports and the exit status."""

import os
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

import pyg_basis
import pyg_basis.cli
from pyg_basis import BASiS

from .conftest import Run

README = Path(pyg_basis.__file__).parents[1] / "README.md"
SCRIPT = [sys.executable, "-c", "import sys, pyg_basis.cli as c; sys.exit(c.main())"]
COMMANDS = ["fit", "transform", "cluster", "info", "plot"]


def examples(text: str) -> list[list[str]]:
    """The command lines of a text, as they are written there."""
    lines = [line.strip() for line in text.splitlines()]
    starts = ("pyg-basis ", "python ")
    return [shlex.split(line) for line in lines if line.startswith(starts)]


def test_examples_run_as_pasted(run: Run) -> None:
    lines = examples(run("--help").out)
    assert [line[1] for line in lines] == ["-c", *COMMANDS[:3], "plot", "info"]
    block = README.read_text(encoding="utf-8").partition("command line.**")[2]
    assert lines == [
        line for line in examples(block.split("```")[1]) if line[1] != "-m"
    ]
    exec(lines[0][2], {})
    for line in lines[1:]:
        result = run(*line[1:])
        assert result.status == 0, (line, result.err)
    assert Path("picture.png").stat().st_size > 10_000


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_the_commands(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.status == 0
    assert len(examples(result.out)) >= 2
    assert max(map(len, result.out.splitlines())) <= 84


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("--help", "usage: pyg-basis"),
        ("--version", f"pyg-basis {pyg_basis.__version__}"),
        ("info --help", "usage: pyg-basis info"),
        ("plot --help", "usage: pyg-basis plot"),
        ("transform --help", "usage: pyg-basis transform"),
        ("info none.pt", "'none.pt' is no file"),
        ("fit none.npy -o model.pt --seed 0", "'none.npy' is no file"),
        ("cluster none.csv -o new.npy --n-clusters 2", "'none.csv' is no file"),
        ("fit points.npy -o model.txt", "'model.txt' has the suffix '.txt'"),
        ("plot points.npy -o a.png --labels none.npy", "'none.npy' is no file"),
    ],
)
def test_nothing_slow_is_imported(points: Path, arguments: str, text: str) -> None:
    code = (
        "import sys, pyg_basis.cli\n"
        "try: pyg_basis.cli.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "slow = {'torch', 'numpy', 'pandas', 'sklearn', 'matplotlib'}\n"
        "print('imported:', *sorted(slow & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", code, *arguments.split()]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert text in result.stdout + result.stderr
    assert result.stdout.endswith("imported:\n")


@pytest.mark.parametrize(
    "arguments",
    [[], ["none"], ["fit"], ["info", "points.npy", "--none"]],
)
def test_wrong_usage(run: Run, points: Path, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.status == 2 and result.out == ""
    assert result.err.startswith("usage: pyg-basis") and ": error: " in result.err


def test_an_error_is_one_line(run: Run) -> None:
    message = "pyg-basis: error: 'none.npy' is no file: check the path\n"
    assert run("info", "none.npy") == (1, "", message)
    with pytest.raises(FileNotFoundError, match=r"'none\.npy' is no file"):
        run("info", "none.npy", "--traceback")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("first\n\n  second\nthird"), "first second"),
        (OSError(28, "No space", "a.npy"), "[Errno 28] No space: 'a.npy'"),
        (KeyError("x"), "KeyError: 'x' (--traceback shows where)"),
    ],
)
def test_messages(
    run: Run, points: Path, monkeypatch: Any, error: Exception, message: str
) -> None:
    monkeypatch.setattr(BASiS, "fit", Mock(side_effect=error))
    result = run("fit", points, "--output", "model.pt")
    assert result == (1, "", f"pyg-basis: error: {message}\n")


def test_exit_status_of_the_process(folder: Path) -> None:
    command = [*SCRIPT, "info", "none.npy"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith("pyg-basis: error: 'none.npy' is no file")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(
    ("signal_number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_signals_leave_nothing(
    folder: Path, fitted: BASiS, signal_number: int, status: int
) -> None:
    fitted.save("model.pt")
    rows = np.lib.format.open_memmap("points.npy", "w+", np.float32, (10**7, 3))
    del rows
    command = [*SCRIPT, "transform", "model.pt", "points.npy", "-o", "new.npy"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 300
            while not any(folder.glob(".new.npy-*")):
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal_number)
            _, error = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == status and "Traceback" not in error
    assert ("pyg-basis: interrupted\n" in error) is (status == 130)
    assert sorted(os.listdir(folder)) == ["model.pt", "points.npy"]


def test_signals_are_left_as_they_were(run: Run, points: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert run("info", points).status == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_in_a_thread(run: Run, points: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(run, "info", points).result().status == 0


def test_a_swallowed_sigterm_is_raised_again(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def info(_: object) -> None:
        Finalized()
        time.sleep(30)
        pytest.fail("it was swallowed")

    monkeypatch.setattr("pyg_basis.cli._commands.info", info)
    monkeypatch.chdir(tmp_path)
    np.save("points.npy", np.zeros((3, 2)))
    before = signal.getsignal(signal.SIGTERM), sys.unraisablehook
    with pytest.raises(SystemExit, match="143"):
        pyg_basis.cli.main(["info", "points.npy"])
    assert (signal.getsignal(signal.SIGTERM), sys.unraisablehook) == before
    assert "Traceback" not in capfd.readouterr().err
