import json

import robustness
from robustness_section import robustness_section


def test_a_quick_run_and_its_figure(data_root, tmp_path):
    output = tmp_path / "output"
    arguments = ["--quick", "--seeds", "1", "--processes", "1"]
    arguments += ["--methods", "spectralnet", "nystroem_sample"]
    arguments += ["--neighbors", "5", "10"]
    arguments += ["--data-root", str(data_root), "--cache-dir", str(tmp_path / "cache")]
    robustness.main([*arguments, "--output", str(output)])
    runs = json.loads((output / "robustness.json").read_text())["results"]["runs"]
    assert [run["n_neighbors"] for run in runs] == [5, 10, 5, 10]
    assert runs[0]["grassmann_distance"] != runs[1]["grassmann_distance"]

    # What is there is not done again.
    robustness.main([*arguments, "--output", str(output)])
    again = json.loads((output / "robustness.json").read_text())["results"]["runs"]
    assert again == runs

    text = robustness_section(output)
    assert "SpectralNet" in text
    assert "Nyström" in text
    assert (output / "robustness.png").stat().st_size > 10_000
