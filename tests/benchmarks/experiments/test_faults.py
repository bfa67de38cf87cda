import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.experiments import faults

# Each goes on for a minute unless it is ended, and does one thing wrong.
LEAVES_A_FILE = "open('rest', 'w')"
LEAVES_A_PROCESS = (
    "import subprocess, sys; "
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
)
WRITES_IN_PLACE = "open('out.npy', 'w').write('half')"
FAILS = "import sys; print('Traceback\\nOops', file=sys.stderr)"


def ended(
    monkeypatch: pytest.MonkeyPatch, folder: Path, script: str, cause: str
) -> list[str]:
    """What is found after a script was ended that is to replace an array."""
    script = f"{script}; import time; time.sleep(60)"
    action = faults.Action([sys.executable, "-c", script], "out.npy")
    monkeypatch.setitem(faults.ACTIONS, "script", action)
    monkeypatch.setattr(faults, "PATIENCE", 0.5)
    np.save(folder / "array.npy", np.zeros((3, 2)))
    (folder / "array.npy").rename(folder / "script")
    for name in faults.INPUTS:
        (folder / name).touch()
    return faults.trial("script", cause, 1.0, 0.5, folder)


@pytest.mark.parametrize("cause", ["SIGTERM", "SIGINT"])
def test_a_command_that_leaves_all_as_it_was(monkeypatch, tmp_path, cause) -> None:
    assert ended(monkeypatch, tmp_path, "pass", cause) == []


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (LEAVES_A_FILE, "left behind: rest"),
        (LEAVES_A_PROCESS, "1 processes run on"),
        (WRITES_IN_PLACE, "not readable: "),
        (FAILS, "traceback: Oops"),
    ],
)
def test_what_is_wrong_is_found(monkeypatch, tmp_path, script, problem) -> None:
    problems = ended(monkeypatch, tmp_path, script, "SIGTERM")
    assert any(found.startswith(problem) for found in problems), problems


def test_a_full_disk_must_be_reported(monkeypatch, tmp_path) -> None:
    action = faults.Action([sys.executable, "-c", "pass"], "out.npy")
    monkeypatch.setitem(faults.ACTIONS, "script", action)
    np.save(tmp_path / "array.npy", np.zeros((3, 2)))
    (tmp_path / "array.npy").rename(tmp_path / "script")
    for name in faults.INPUTS:
        (tmp_path / name).touch()
    problems = faults.trial("script", faults.FULL, 0.5, 0.5, tmp_path)
    assert problems == ["a full disk is not reported"]
