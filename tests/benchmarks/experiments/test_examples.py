from benchmarks.experiments import examples


def test_a_quick_run(quick, tmp_path, monkeypatch) -> None:
    accuracy = {"none": [0.9], "AddBASiSPE": [0.95]}
    given = []

    def run_example(name, arguments):
        given.append(arguments)
        return {"accuracy": 0.97} if name == "lightning_module" else accuracy

    monkeypatch.setattr(examples, "run_example", run_example)
    results = quick("examples")["results"]
    assert results["lightning_module"] == {"accuracy": 0.97}
    assert [run["accuracy"] for run in results["runs"]] == [[0.9], [0.95]]
    assert given[0][-3:] == ["--quick", "--graph", "digits"]
    lines = (tmp_path / "output" / "examples.md").read_text().splitlines()
    assert len(lines) == 3 and "90.0" in lines[2] and "95.0" in lines[2]
