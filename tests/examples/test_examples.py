import importlib
import re
import warnings
from pathlib import Path

import pytest
import torch

EXAMPLES = Path(__file__).parents[2] / "examples"
NUM_CLASSES = 10


def run(name: str, *arguments: str) -> dict:
    module = importlib.import_module(name)
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return module.main(["--quick", *arguments])


@pytest.mark.parametrize(
    "name", ["gcn_with_basis_pe", "transformer_with_encodings", "cold_start"]
)
def test_examples_learn_the_classes(name, capsys) -> None:
    figures = run(name)
    printed = capsys.readouterr().out
    assert len(figures) >= 3
    for encodings, (accuracy,) in figures.items():
        assert accuracy > 0.5, encodings  # of ten classes, after a few epochs
        assert f"{100 * accuracy:5.1f}" in printed


def test_lightning_module_goes_on_where_it_was_saved() -> None:
    pytest.importorskip("lightning", reason="the extra 'examples' is not installed")
    figures = run("lightning_module")
    assert figures["difference after loading"] == 0
    assert figures["accuracy"] > 0.9
    assert figures["d_G to the exact eigenvectors"] < 4


def test_networkx_graph_is_learned_and_drawn(tmp_path, capsys) -> None:
    run("networkx_graph", "--output", str(tmp_path / "graph.png"))
    known, later = re.findall(r"towns: ([\d.]+)%", capsys.readouterr().out)
    assert float(known) > 90 and float(later) > 90
    assert (tmp_path / "graph.png").stat().st_size > 10_000


def test_daily_data_are_learned() -> None:
    days = run("daily_data")
    assert len(days) == 4 and all(day["held"] > 0.9 for day in days)
    assert all(day["right"] > 0.95 for day in days) and days[1]["moved"] < 0.15


def test_no_seeds_are_refused(capsys) -> None:
    with pytest.raises(SystemExit):
        run("gcn_with_basis_pe", "--seeds", "0")
    assert "--seeds must be at least 1" in capsys.readouterr().err


def test_all_of_them_are_tested() -> None:
    scripts = {path.stem for path in EXAMPLES.glob("*.py")} - {"common"}
    named = Path(__file__).read_text()
    assert scripts
    assert all(f'"{script}"' in named for script in scripts)
