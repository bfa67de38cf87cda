def test_a_quick_run_and_its_figure(data_root, tmp_path, quick):
    arguments = ["--processes", 1, "--data-root", data_root, "--neighbors", 5, 10]
    arguments += ["--methods", "spectralnet", "nystroem"]
    record = quick("robustness", *arguments)
    runs = record["results"]["runs"]
    assert [run["n_neighbors"] for run in runs] == [5, 10, 5, 10]
    assert runs[0]["grassmann_distance"] != runs[1]["grassmann_distance"]
    assert (tmp_path / "output" / "robustness.png").stat().st_size > 10_000
    # What is there is not done again.
    assert quick("robustness", *arguments) == record
