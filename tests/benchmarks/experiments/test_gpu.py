import pytest
import torch

from benchmarks.experiments import gpu
from benchmarks.lib.record import read_record
from benchmarks.registry import EXPERIMENTS


@pytest.mark.slow
def test_command_compares_two_devices(quick) -> None:
    results = quick("gpu", "--device", "cpu", "--workers", 2)["results"]
    assert [row["m"] for row in results["steps"]] == [512]
    for row in results["steps"]:
        assert row["largest_difference"] == row["unconverged"] == 0
        for place, milliseconds in row["ms"].items():
            least, most = row["range"][place]
            assert 0 < least <= milliseconds <= most
    devices = [fit["device"] for fit in results["fits"]]
    assert devices == ["cpu", "cpu, 2 workers", "cpu"]
    distances = [fit["grassmann_distance"] for fit in results["fits"]]
    assert distances[0] == distances[2] < 0.1 and distances[1] < 0.1


class CutOff(Exception):
    pass


def test_a_run_that_is_cut_off_keeps_what_it_has(monkeypatch, tmp_path) -> None:
    row = {"ms": {"cpu": 2.0}, "largest_difference": 0, "unconverged": 0}

    def fitted(*_: object) -> dict[str, object]:
        raise CutOff

    monkeypatch.setattr(gpu, "compared", lambda *_: row)
    monkeypatch.setattr(gpu, "fitted", fitted)
    with pytest.raises(CutOff):
        EXPERIMENTS["gpu"].run(["--device", "cpu", "--output", str(tmp_path)])
    results = read_record(tmp_path / "gpu.json")["results"]
    assert [step["m"] for step in results["steps"]] == [512, 2048, 8192]
    assert "512" in gpu.tables(tmp_path)["gpu"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_ends(tmp_path) -> None:
    with pytest.raises(SystemExit, match="no CUDA device"):
        EXPERIMENTS["gpu"].run(["--output", str(tmp_path)])
    assert not list(tmp_path.iterdir())
