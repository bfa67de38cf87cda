import json

import pytest

pytest.importorskip("lightning", reason="the extra 'examples' is not installed")
examples = pytest.importorskip("examples")


def test_quick_run_writes_record_and_table(tmp_path, monkeypatch) -> None:
    accuracy = {"none": [0.9], "AddBASiSPE": [0.95]}
    given = []

    def example(arguments):
        given.append(arguments)
        return accuracy

    for model in examples.ON_GRAPHS:
        monkeypatch.setitem(examples.ON_GRAPHS, model, example)
    joint = {"accuracy": 0.97}
    monkeypatch.setattr(examples.lightning_module, "main", lambda arguments: joint)
    examples.main(["--quick", "--output", str(tmp_path)])
    record = json.loads((tmp_path / "examples.json").read_text())
    assert record["results"]["lightning_module"] == joint
    assert [run["accuracy"] for run in record["results"]["runs"]] == [[0.9], [0.95]] * 3
    assert all(one[-2:] == ["--graph", "digits"] for one in given)
    lines = (tmp_path / "examples.md").read_text().splitlines()
    assert len(lines) == 5
    assert "90.0" in lines[2] and "95.0" in lines[2]
