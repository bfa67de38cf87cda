import subprocess
import sys
from types import SimpleNamespace

import pytest

from benchmarks import __main__
from benchmarks.experiments import anchors
from benchmarks.lib.alone import ROOT
from benchmarks.registry import EXPERIMENTS, RESULTS

every = pytest.mark.parametrize("name", EXPERIMENTS)


def test_every_module_that_measures_is_registered():
    folder = ROOT / "benchmarks/experiments"
    names = {p.stem for p in folder.glob("*.py") if "\ndef main(" in p.read_text()}
    assert names == set(EXPERIMENTS)


@every
def test_committed_tables_are_those_of_the_records(name, tmp_path):
    for record in (RESULTS / name).glob("*.json"):
        (tmp_path / record.name).symlink_to(record)
    EXPERIMENTS[name].write_tables(tmp_path)
    made = {path.name: path.read_text() for path in tmp_path.glob("*.md")}
    assert made == {
        path.name: path.read_text() for path in RESULTS.glob(f"{name}/*.md")
    }


@every
def test_smoke_runs_have_a_folder_and_a_seed_of_their_own(name):
    options = EXPERIMENTS[name].parse(["--quick"])
    assert options.output.parts == ("runs", "quick", name)
    assert getattr(options, "seeds", 1) == 1
    assert EXPERIMENTS[name].parse([]).output == RESULTS / name


def test_what_is_asked_for_comes_before_what_smoke_runs_have():
    options = EXPERIMENTS["scaling"].parse(["--quick", "--points", "7"])
    assert options.points == [7] and options.limit == 60


@pytest.mark.parametrize("option", ["--seeds", "--processes"])
def test_counts_below_one_are_refused(option, capsys):
    with pytest.raises(SystemExit):
        EXPERIMENTS["joint"].parse([option, "0"])
    assert f"{option} must be at least 1" in capsys.readouterr().err


def test_list_names_each_with_its_time(capsys):
    __main__.main(["list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(EXPERIMENTS)
    assert all(line.endswith(")") for line in lines)


def test_run_shows_the_options_of_an_experiment(capsys):
    with pytest.raises(SystemExit):
        __main__.main(["run", "scaling", "--help"])
    assert "--points" in capsys.readouterr().out


@pytest.fixture
def smoke_runs(monkeypatch, tmp_path):
    """Three experiments, of which is written down what they are given; one fails."""

    def run(command):
        assert command[:4] == [sys.executable, "-m", "benchmarks", "run"]
        name, *words = command[4:]
        (tmp_path / name).write_text(" ".join(words))
        return SimpleNamespace(returncode=int(name == "toys"))

    monkeypatch.setattr(__main__.subprocess, "run", run)
    few = {name: EXPERIMENTS[name] for name in ("joint", "toys", "anchors")}
    monkeypatch.setattr(__main__, "EXPERIMENTS", few)
    return lambda: {path.name: path.read_text() for path in tmp_path.iterdir()}


def test_smoke_runs_of_all_name_those_that_fail(smoke_runs, capfd):
    with pytest.raises(SystemExit, match=r"failed: toys$"):
        __main__.main(["all", "--quick", "--data-root", "D"])
    given = "--quick --data-root D --cache-dir cache"
    assert smoke_runs() == {"joint": given, "toys": "--quick", "anchors": "--quick"}
    printed = capfd.readouterr().out
    assert "| anchors    |" in printed and "skipped" not in printed
    with pytest.raises(SystemExit):
        __main__.main(["all"])


def test_without_data_smoke_runs_on_data_are_skipped(smoke_runs, capfd):
    with pytest.raises(SystemExit, match="toys"):
        __main__.main(["all", "--quick"])
    assert set(smoke_runs()) == {"toys", "anchors"}
    assert "skipped, without --data-root: joint\n" in capfd.readouterr().out


def test_a_check_that_does_not_hold_fails_when_all_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(anchors, "main", lambda options: "2 trials did not hold")
    with pytest.raises(SystemExit, match="anchors: 2 trials did not hold"):
        EXPERIMENTS["anchors"].run(["--output", str(tmp_path)])


@pytest.mark.parametrize("script", ["run_all.py", "demo.py"])
def test_scripts_run_from_any_folder(script, tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / script), "--help"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True
    )
    assert done.returncode == 0 and "--output" in done.stdout, done.stderr
