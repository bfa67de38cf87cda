import json

import pytest
import readout


@pytest.mark.slow
def test_command_compares_methods_and_writes_figures(tmp_path) -> None:
    readout.main(["--quick", "--output", str(tmp_path)])
    runs = json.loads((tmp_path / "readout.json").read_text())["results"]["runs"]
    assert [run["method"] for run in runs] == ["now", "nystroem"]
    for run in runs:
        assert run["grassmann_distance"] < 0.5 and run["captured"] > 0.9
        assert run["fit_seconds"] > 0 and run["transform_seconds"] > 0
    assert runs[0]["eigenvalue_error"] < 0.2
    lines = (tmp_path / "readout.md").read_text().splitlines()
    assert len(lines) == 2 + 2 and "nystroem" in lines[3]
