import importlib.metadata
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pyg_basis
from pyg_basis.cli import COMMANDS
from pyg_basis.estimators.presets import PRESETS

from .conftest import Run

SCRIPT = Path(sys.executable).with_name("pyg-basis")
NAMES = [module.__name__.split(".")[-1] for module in COMMANDS]


def examples(text: str) -> list[list[str]]:
    """The command lines in a help text, as they are written there."""
    lines = text.replace("\\\n", " ").splitlines()
    starts = ("pyg-basis", "python")
    return [shlex.split(line) for line in lines if line.strip().startswith(starts)]


@pytest.mark.usefixtures("small_defaults")
def test_examples_run_as_pasted(run: Run) -> None:
    lines = examples(run("--help").output)
    assert [line[1] for line in lines] == ["-c", "fit", *NAMES[1:3], "plot", "info"]
    exec(lines[0][2], {})
    for line in lines[1:]:
        result = run(*line[1:])
        assert result.exit_code == 0, (line, result.output)
    assert Path("picture.png").stat().st_size > 10_000


@pytest.mark.usefixtures("small_defaults", "graph")
@pytest.mark.parametrize("name", NAMES)
def test_examples_of_the_commands(
    run: Run,
    name: str,
    model: Path,
    points: Path,
    table: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PRESETS["paper"], "max_iter", 3)
    table.to_csv("table.csv", index=False)
    for path in ("new.npy", "embedding.npy"):
        np.save(path, np.load(points))
    np.save("labels.npy", np.arange(300) % 3)
    lines = examples(run(name, "--help").output)
    assert len(lines) >= 2 and {line[1] for line in lines} == {name}
    for line in lines:
        if name in ("fit", "transform", "cluster"):
            # They name results that are here for other examples.
            line.append("--force")
        result = run(*line[1:])
        assert result.exit_code == 0, (line, result.output)


def test_help_fits_a_terminal(run: Run) -> None:
    for arguments in ([], *([name] for name in NAMES)):
        result = run(*arguments, "--help")
        assert result.exit_code == 0
        assert max(map(len, result.output.splitlines())) <= 84


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"pyg-basis {pyg_basis.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["none"], ["fit"], ["fit", "a.npy"], ["info", "--none", "a.npy"]]
)
def test_wrong_usage(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2 and "Usage: " in result.stderr


def test_help_needs_none_of_what_is_slow_to_import() -> None:
    code = (
        "import sys\n"
        "from pyg_basis.cli import app\n"
        "app(['fit', '--help'], standalone_mode=False)\n"
        "slow = {'torch', 'numpy', 'sklearn', 'matplotlib', 'pyarrow', 'rich'}\n"
        "print('imported:', *sorted(slow & sys.modules.keys()))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "Usage: " in printed and printed.endswith("imported:\n")


def test_installed_script(folder: Path) -> None:
    (entry,) = (
        entry
        for entry in importlib.metadata.entry_points(group="console_scripts")
        if entry.name == "pyg-basis"
    )
    assert entry.value == "pyg_basis.cli:main"
    result = subprocess.run(
        [SCRIPT, "info", "none.npy"], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr == (
        "pyg-basis: error: 'none.npy' is no file: check the path\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_leaves_nothing(folder: Path, points: Path) -> None:
    command = [SCRIPT, "fit", points, "--output", "model.pt", "--max-iter", "100000"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 300
            while not any(folder.glob(".model.pt-*")):
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 130
    assert error.endswith("pyg-basis: interrupted\n") and "Traceback" not in error
    assert os.listdir(folder) == ["points.npy"]
