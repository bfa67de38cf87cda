import torch

from benchmarks.experiments.resume import are_same


def result(weight: float, loss: float = 0.5) -> dict:
    return {"history": {"loss": [loss]}, "layer": {"weight": torch.tensor([weight])}}


def test_one_bit_is_noticed() -> None:
    above = torch.nextafter(torch.tensor(1.0), torch.tensor(2.0)).item()
    assert are_same(result(1.0), result(1.0))
    assert not are_same(result(1.0), result(above))
    assert not are_same(result(1.0), result(1.0, loss=0.5 + 2**-53))
