from multiprocessing import Process

from benchmarks.lib.run_file import RunFile


def add_many(path, first):
    file = RunFile(path, ("method", "seed"), {})
    for seed in range(first, first + 20):
        file.add(("a", seed), {"rate": 0.1}, {"nmi": seed})


def test_two_writers_lose_nothing(tmp_path):
    path = tmp_path / "runs.json"
    writers = [Process(target=add_many, args=(path, first)) for first in (0, 20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    runs = RunFile(path, ("method", "seed"), {}).runs()
    assert sorted(run["seed"] for run in runs) == list(range(40))


def test_other_parameters_count_as_not_done(tmp_path):
    file = RunFile(tmp_path / "new" / "runs.json", ("method", "seed"), {})
    assert file.runs() == []
    file.add(("a", 0), {"rate": 0.1}, {"nmi": 1})
    assert file.has(("a", 0), {"rate": 0.1})
    assert not file.has(("a", 1), {"rate": 0.1})
    assert not file.has(("a", 0), {"rate": 0.2})
    file.add(("a", 0), {"rate": 0.2}, {"nmi": 2})
    assert [run["nmi"] for run in file.runs()] == [2]


def test_an_option_that_is_no_more_does_not_count(tmp_path):
    file = RunFile(tmp_path / "runs.json", ("method", "seed"), {})
    file.add(("a", 0), {"rate": 0.1, "bandwidth": "self_tuning"}, {"nmi": 1})
    assert file.has(("a", 0), {"rate": 0.1})
    assert not file.has(("a", 0), {"rate": 0.1, "depth": 3})


def test_renamed_parameters_are_known_by_their_former_names(tmp_path):
    file = RunFile(tmp_path / "runs.json", ("method", "seed"), {})
    former = {"drop_trivial": True, "n_workers": 2, "anchors": "random"}
    now = {"drop_first": True, "num_workers": 2, "anchor_method": "random"}
    file.add(("a", 0), former, {"nmi": 1})
    assert file.has(("a", 0), now)
    for name, other in (("drop_first", False), ("num_workers", 0)):
        assert not file.has(("a", 0), {**now, name: other})
    # Experiments have settings of the same names.
    assert file.has(("a", 0), {"anchors": "random"})


def test_what_a_record_does_not_name_had_the_former_default(tmp_path):
    file = RunFile(tmp_path / "runs.json", ("method", "seed"), {})
    file.add(("a", 0), {"rate": 0.1}, {"nmi": 1})
    assert file.has(("a", 0), {"rate": 0.1, "drop_first": False, "laplacian": "sym"})
    assert not file.has(("a", 0), {"rate": 0.1, "drop_first": True})
