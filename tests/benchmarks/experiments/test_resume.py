import pytest
import torch

from benchmarks.experiments.resume import are_same


def result(weight: float, loss: float = 0.5) -> dict:
    return {"history": {"loss": [loss]}, "layer": {"weight": torch.tensor([weight])}}


def test_one_bit_is_told() -> None:
    above = torch.nextafter(torch.tensor(1.0), torch.tensor(2.0)).item()
    assert are_same(result(1.0), result(1.0))
    assert not are_same(result(1.0), result(above))
    assert not are_same(result(1.0), result(1.0, loss=0.5 + 2**-53))


@pytest.mark.slow
def test_kills(quick) -> None:
    results = quick("resume", "--processes", "2")["results"]
    runs = results["runs"]
    assert len(runs) == 5 and all(run["is_same"] for run in runs)
    assert all(run["lost"] <= 10 and run["left_behind"] == 0 for run in runs)
    assert results["cost"]["checkpoint_seconds"] < results["cost"]["interval_seconds"]
