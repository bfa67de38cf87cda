import json

import gpu
import gpu_steps
import pytest
import torch


@pytest.mark.slow
def test_command_compares_two_devices(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(gpu_steps, "NODES_OF_A_ROUND", 1_500)
    options = ["--quick", "--device", "cpu", "--workers", "2"]
    gpu.main([*options, "--output", str(tmp_path)])
    results = json.loads((tmp_path / "gpu.json").read_text())["results"]
    assert [(row["set"], row["m"]) for row in results["steps"]] == [
        ("sphere", 512),
        ("sphere", 600),
    ]
    for row in results["steps"]:
        assert row["largest_difference"] == 0
        assert row["unconverged"] == 0
        for place, milliseconds in row["ms"].items():
            least, most = row["range"][place]
            assert 0 < least <= milliseconds <= most
    devices = [fit["device"] for fit in results["fits"]]
    assert devices == ["cpu", "cpu, 2 workers", "cpu"]
    distances = [fit["grassmann_distance"] for fit in results["fits"]]
    assert distances[0] == distances[2] < 0.1 and distances[1] < 0.1
    assert (tmp_path / "gpu.md").read_text() == gpu.tables(**results)


class CutOff(Exception):
    pass


def test_a_run_that_is_cut_off_keeps_what_it_has(monkeypatch, tmp_path) -> None:
    row = {"ms": {"cpu": 2.0}, "largest_difference": 0, "unconverged": 0}
    fit = {
        "device": "cpu",
        "seed": 0,
        "fit_seconds": 1.0,
        "transform_seconds": 1.0,
        "grassmann_distance": 0.1,
    }
    fits = iter([fit])

    def fitted(*_: object) -> dict[str, object]:
        for each in fits:
            return each
        raise CutOff

    monkeypatch.setattr(gpu, "compared", lambda *_: row)
    monkeypatch.setattr(gpu, "fitted", fitted)
    with pytest.raises(CutOff):
        gpu.main(["--device", "cpu", "--seeds", "2", "--output", str(tmp_path)])
    record = json.loads((tmp_path / "gpu.json").read_text())
    assert [step["m"] for step in record["results"]["steps"]] == [512, 2048, 8192]
    assert record["results"]["fits"] == [{"set": "sphere", **fit}]
    assert record["seeds"] == [0]
    assert (tmp_path / "gpu.md").read_text() == gpu.tables(**record["results"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_ends(tmp_path) -> None:
    with pytest.raises(SystemExit, match="no CUDA device"):
        gpu.main(["--output", str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_table_takes_the_quicker_cpu() -> None:
    step = {
        "set": "sphere",
        "m": 512,
        "ms": {"cpu, 1 thread": 40.0, "cpu, 16 threads": 20.0, "cuda": 5.0},
        "largest_difference": 6.7e-8,
        "unconverged": 0,
    }
    fits = [
        {
            "set": "sphere",
            "device": device,
            "fit_seconds": seconds,
            "transform_seconds": 1.0,
            "grassmann_distance": 0.007,
        }
        for device, seconds in [("cpu", 10.0), ("cpu", 30.0), ("cuda", 4.0)]
    ]
    steps, runs = gpu.tables([step], fits).split("\n\n")
    assert "| 4.0 |" in " ".join(steps.split())
    assert "| 20.0 |" in " ".join(runs.split())
