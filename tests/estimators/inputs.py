"""Points, graphs and quick settings that the tests of the estimators share."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import networkx as nx
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch_geometric.data import Data

from pyg_basis import BASiS

Points = NDArray[Any]
QUICK: dict[str, Any] = {
    "n_components": 2,
    "n_anchors": 30,
    "batch_size": 80,
    "n_neighbors": 10,
    "max_iter": 10,
    "random_state": 0,
}


# They compare with repeated rows in another order, which draws other batches. In the
# same order the fits are equal to the bit, see test_sample_weight.py.
OTHER_ORDER = dict.fromkeys(
    (
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
    ),
    "the result depends on the order of the points",
)


def quick(**kwargs: Any) -> BASiS:
    """A fit within a second."""
    return BASiS(**(QUICK | kwargs))


def learner(**kwargs: Any) -> BASiS:
    """One that learns simple sets within a few."""
    settings = {"network": network(), "max_iter": 100, "learning_rate": 1e-2}
    return quick(**(settings | kwargs))


def network(in_channels: int = 3) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Linear(in_channels, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()
        )


class Seen(nn.Linear):
    """A network that remembers all rows that it was trained on."""

    def __init__(self, in_channels: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            super().__init__(in_channels, 8)
        self.rows: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.rows.append(x.detach())
        return super().forward(x)


def never_seen(basis: BASiS, x: Tensor) -> list[int]:
    """Which of the points the network of a fit was not trained on."""
    seen = {tuple(row) for row in torch.cat(basis.layer_.network.rows).tolist()}
    rows = basis.layer_.standardization(x.float()).tolist()
    return [i for i, row in enumerate(rows) if tuple(row) not in seen]


class Untrained(nn.Linear):
    """Fails as soon as a training begins."""

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training, "nothing was to be trained"
        return super().forward(x)  # to be asked for its width


class Rows(Dataset[Any]):
    """A dataset of feature vectors, maybe with labels behind them."""

    def __init__(self, x: Any, labels: bool = False) -> None:
        self.x, self.labels = x, labels

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Any:
        return (self.x[index], index % 3) if self.labels else self.x[index]


def three_blobs(num_points: int = 300, seed: int = 0) -> Points:
    x = np.random.default_rng(seed).normal(size=(num_points, 3))
    corners = np.array([[0.0, 0, 0], [4, 0, 0], [2, 4, 0]])
    return x + corners[np.arange(num_points) % 3]


def noisy_one_hot(block: NDArray[np.int64], seed: int = 0) -> Tensor:
    noise = np.random.default_rng(seed).normal(size=(len(block), 3))
    return torch.from_numpy(np.eye(3)[block] + 0.1 * noise).float()


def with_features(graph: nx.Graph, x: NDArray[np.int64] | Tensor) -> Data:
    """A graph with the features x, or those of classes x."""
    edges = torch.tensor(list(graph.edges), dtype=torch.long).reshape(-1, 2).T
    weight = torch.tensor([w for *_, w in graph.edges.data("weight", 1.0)])
    return Data(
        x=x if isinstance(x, Tensor) else noisy_one_hot(x),
        edge_index=torch.cat([edges, edges.flip(0)], dim=1),
        edge_weight=torch.cat([weight, weight]),
    )


def blocks() -> Data:
    """A chain of three clear blocks, which the features tell."""
    sizes, chances = [60, 90, 150], [[0.4, 0.04, 0], [0.04, 0.4, 0.04], [0, 0.04, 0.4]]
    graph = nx.stochastic_block_model(sizes, chances, seed=0)
    block = np.repeat(np.arange(3), sizes)
    return with_features(nx.Graph(graph.edges), block)


def same(one: BASiS, other: BASiS, x: Any) -> bool:
    is_same = np.array_equal(one.transform(x), other.transform(x))
    return is_same and one.history_ == other.history_


@contextmanager
def no_warning_but(message: str | None = None) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        if message is not None:
            warnings.filterwarnings("ignore", message)
        yield
