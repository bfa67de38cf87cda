"""A fit depends on nothing of its process, and leaves it as it was."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from pyg_basis import BASiS
from tests.estimators.inputs import Points, quick, same, three_blobs

ROOT = Path(__file__).parents[2]


def with_dropout() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Dropout(0.3))


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("network", [None, with_dropout()])
def test_fits_in_threads(network: nn.Module | None) -> None:
    x = three_blobs()
    alone = quick(network=network).fit(x)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: quick(network=network).fit(x), range(4)))
    assert all(same(basis, alone, x) for basis in found)


def test_dropout_follows_the_seed() -> None:
    x = three_blobs()
    one, other = (quick(network=with_dropout(), random_state=s).fit(x) for s in (0, 0))
    assert same(one, other, x)
    without = with_dropout().eval()
    without[2].p = 0.0
    assert not same(quick(network=without).fit(x), one, x)


class Draws(nn.Module):
    """Draws in several ways, some of them with a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.LazyLinear(16)

    def forward(self, x: Tensor) -> Tensor:
        own = torch.rand(1, generator=torch.Generator().manual_seed(5))
        assert own.item() == torch.rand(1, generator=torch.Generator().manual_seed(5))
        if self.training:
            x = x + 0.1 * (torch.rand_like(x) + torch.randint(-1, 2, x.shape))
            x = x + 0.1 * torch.rand(x.shape)
        return self.linear(x)


@pytest.mark.usefixtures("untouched_global_generators")
def test_all_that_a_network_draws_follows_the_seed() -> None:
    one, other = (quick(network=Draws()).fit(three_blobs()) for _ in range(2))
    assert same(one, other, three_blobs())


def test_a_compiled_network_stays_compiled() -> None:
    graphs = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    network = torch.compile(with_dropout(), backend=backend)
    quick(network=network, max_iter=2).fit(three_blobs())
    assert graphs


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_where_gradients_are_off(mode: type) -> None:
    x = torch.from_numpy(three_blobs())
    with mode():
        basis = quick().fit(x.clone())
        embedding = basis.transform(x)
    assert torch.equal(embedding, quick().fit(x).transform(x))
    assert basis.layer_.loss(x).requires_grad


def test_another_default_precision() -> None:
    x = three_blobs().astype(np.float32)
    torch.set_default_dtype(torch.float64)
    try:
        embedding = quick(network=with_dropout()).fit(x).transform(x)
    finally:
        torch.set_default_dtype(torch.float32)
    assert embedding.dtype == np.float32 and np.isfinite(embedding).all()


class Fits(Dataset[Points]):
    """Fits in the worker of somebody's loader, which may have no workers itself."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Points:
        return quick(num_workers=2).fit(three_blobs()).transform(three_blobs())


def test_a_fit_with_workers_in_a_worker() -> None:
    (embedding,) = DataLoader(Fits(), num_workers=1, batch_size=None)
    expected = quick().fit(three_blobs()).transform(three_blobs())
    assert np.array_equal(embedding, expected)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_how_workers_are_started_changes_nothing(method: str, tmp_path: Path) -> None:
    script, model = tmp_path / "fit.py", tmp_path / "model.pt"
    script.write_text(
        f"import torch\n"
        f"from tests.estimators.inputs import quick, three_blobs\n"
        f"if __name__ == '__main__':\n"
        f"    torch.multiprocessing.set_start_method({method!r})\n"
        f"    quick(num_workers=2).fit(three_blobs()).save({str(model)!r})\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, script], check=True, env=environment)
    assert same(BASiS.load(model), quick().fit(three_blobs()), three_blobs())
