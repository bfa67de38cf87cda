from pathlib import Path
from typing import Any

from benchmarks.lib.alone import run_alone
from benchmarks.lib.record import versions


def test_the_package_is_the_one_asked_for(tmp_path: Path) -> None:
    (tmp_path / "pyg_basis").mkdir()
    source = '__version__ = "of another checkout"\n'
    (tmp_path / "pyg_basis" / "__init__.py").write_text(source)
    ours, other = run_alone(versions), run_alone(versions, package=tmp_path)
    assert ours == versions()
    assert other == {**ours, "pyg_basis": "of another checkout"}


def missing(path: str) -> dict[str, Any]:
    raise NotImplementedError


def test_a_run_that_fails_or_takes_too_long_says_so() -> None:
    missing.__module__ = "benchmarks.no_such_module"
    assert "no_such_module" in run_alone(missing, Path("x"))["gave_up"]
    assert run_alone(missing, limit=0.01) == {"gave_up": "not done in 0.01 s"}
