from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from torch import Tensor

from benchmarks.baselines.embedding_network import EmbeddingNetwork
from benchmarks.baselines.training import LAST_SAMPLE, batch_laplacian, draw, minimize

# Rows that are embedded at a time.
BLOCK_ROWS = 1024


@dataclass(eq=False, repr=False)
class Baseline(BaseEstimator, ABC):
    r"""What the compared systems have in common: parameters as scikit-learn has them,
    a fit on points in memory, and rows for any points, each by itself.

    Args:
        n_components: Columns of the embedding :math:`K`.
        n_neighbors: Neighbors of a node in each graph.
        random_state: Seed of all randomness.

    Attributes:
        module_: Maps points :obj:`[n, d]` to rows :obj:`[n, K]`.
        history_: The loss of every iteration.
    """

    n_components: int = 2
    _: KW_ONLY
    n_neighbors: int = 50
    random_state: int | None = None

    def fit(self, X: Any, y: Any = None) -> Any:
        r"""Learns the embedding of the points :obj:`X [n, d]`, an array or a tensor;
        labels are ignored."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        generator = torch.Generator().manual_seed(seed)
        # Layers draw their starting weights from the global generator alone.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.module_, self.history_ = self._fitted(
                torch.as_tensor(X, dtype=torch.float32), generator
            )
        return self

    @torch.no_grad()
    def transform(self, X: Any) -> Tensor:
        r"""The embedding :obj:`[n, K]` of the points :obj:`X [n, d]`, seen or new."""
        x = torch.as_tensor(X, dtype=torch.float32)
        return torch.cat([self.module_(rows) for rows in x.split(BLOCK_ROWS)])

    @property
    def n_iter_(self) -> int:
        """Number of iterations."""
        return len(self.history_)

    @abstractmethod
    def _fitted(
        self, x: Tensor, generator: torch.Generator
    ) -> tuple[Callable[[Tensor], Tensor], list[float]]:
        """The map that is learned from the points, and the losses."""


@dataclass(eq=False, repr=False)
class BatchBaseline(Baseline):
    r"""A network trained by a loss on random batches, and a last step that takes the
    space of its outputs apart into eigenvectors, on a sample of 10,000 points.

    Args:
        batch_size: Points of a batch, at most all of them.
        max_iter: Number of iterations.
        learning_rate: Of Adam, before it decays.
    """

    _: KW_ONLY
    batch_size: int = 2048
    max_iter: int = 300
    learning_rate: float = 1e-3

    def _fitted(
        self, x: Tensor, generator: torch.Generator
    ) -> tuple[EmbeddingNetwork, list[float]]:
        module = EmbeddingNetwork(x.size(1), self.n_components)
        module.standardization.fit(x)
        loss = self._loss(module, x, generator)
        history = minimize(module.network, loss, self.max_iter, self.learning_rate)
        sample = x[draw(len(x), LAST_SAMPLE, generator)]
        module.take_eigenvectors(sample, batch_laplacian(sample, self.n_neighbors))
        return module, history

    @abstractmethod
    def _loss(
        self, module: EmbeddingNetwork, x: Tensor, generator: torch.Generator
    ) -> Callable[[], Tensor]:
        """The loss, which draws a batch each time."""
