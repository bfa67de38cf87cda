"""The tutorials: every notebook is its source, executed from top to bottom."""

import re
from pathlib import Path
from typing import Any

import pytest

jupytext = pytest.importorskip(
    "jupytext", reason="jupytext is missing: pip install -e '.[notebooks]'"
)
nbformat = pytest.importorskip("nbformat")  # what jupytext reads notebooks with

FOLDER = Path(__file__).parents[1] / "notebooks"
if not FOLDER.is_dir():
    pytest.skip("the notebooks are in the repository only", allow_module_level=True)

SOURCES = sorted(FOLDER.glob("*.py"))
MOST_BYTES = 1_500_000
HINT = "run `make notebooks-update`"
# Paths that reveal the machine that a notebook was run on.
LOCAL_PATH = re.compile(r"(?<![\w.])/(home|root|tmp|usr|var|work|Users)/|[A-Z]:\\")


def cells(notebook: Any) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def executed(source: Path) -> Any:
    return nbformat.read(source.with_suffix(".ipynb"), as_version=4)


def test_notebooks_and_sources_are_pairs() -> None:
    names = {source.stem for source in SOURCES}
    assert names
    assert names == {path.stem for path in FOLDER.glob("*.ipynb")}, HINT


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_in_step_with_its_source(source: Path) -> None:
    notebook = executed(source)
    nbformat.validate(notebook)
    assert cells(notebook) == cells(jupytext.read(source)), HINT
    # And back: what is edited in Jupyter can be written to the source again.
    text = jupytext.writes(notebook, fmt="py:percent")
    assert cells(jupytext.reads(text, fmt="py:percent")) == cells(notebook)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_outputs_are_kept_and_clean(source: Path) -> None:
    code = [cell for cell in executed(source).cells if cell.cell_type == "code"]
    # Numbered without a gap: run once, in order, all of it.
    numbers = [cell.execution_count for cell in code]
    assert numbers == list(range(1, len(code) + 1)), HINT
    outputs = [output for cell in code for output in cell.outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert pictures
    for output in outputs:
        assert output.output_type != "error", output
        assert output.get("name") != "stderr", output.text  # warnings
        text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
        assert not LOCAL_PATH.search(text), text
    assert source.with_suffix(".ipynb").stat().st_size < MOST_BYTES
