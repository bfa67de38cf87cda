import argparse
from pathlib import Path

import pytest

options = pytest.importorskip("graph_options")


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    options.add_graph_options(parser, seeds=4)
    return options.parse_graph_options(parser, list(arguments))


def test_output_folder_and_seeds(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    full, quick = parse(), parse("--quick", "--seeds", "3")
    assert (full.seeds, full.output) == (4, Path("benchmarks/results"))
    assert (quick.seeds, quick.output) == (1, Path("runs/quick"))
    assert parse("--output", "a/b").output == Path("a/b")
    for folder in ("benchmarks/results", "runs/quick", "a/b"):
        assert (tmp_path / folder).is_dir()


def test_no_seed(capsys) -> None:
    with pytest.raises(SystemExit):
        parse("--seeds", "0")
    assert "--seeds must be at least 1" in capsys.readouterr().err
