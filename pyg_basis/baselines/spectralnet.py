import copy
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from pyg_basis.baselines._baseline import Baseline
from pyg_basis.baselines._batches import LAST_SAMPLE, batch_laplacian, draw
from pyg_basis.baselines._embedding_network import EmbeddingNetwork
from pyg_basis.baselines._minimize import minimize
from pyg_basis.estimators._parameters import Rule, count, one_of

# Added to the diagonal before the Cholesky decomposition, relative to its mean.
JITTER = 1e-12


class SpectralNet(Baseline):
    r"""The spectral loss on batches, with a last layer that keeps the outputs
    orthonormal: `"SpectralNet: Spectral Clustering using Deep Neural Networks"
    <https://arxiv.org/abs/1801.01587>`_ (Shaham et al. 2018), Section 3.1 and
    Algorithm 1; Eq. 8 of `BASiS <https://arxiv.org/abs/2211.16960>`_.

    .. math::
        \frac{1}{m^2} \sum_{ij} W_{ij} \| y_i - y_j \|^2
        \quad\text{subject to}\quad \tfrac1m Y^\top Y = I

    The last, linear layer is set from the Cholesky factor of the outputs for the
    batch, and the gradient passes through it. (The paper sets it on one batch and
    holds it fixed for a gradient step on another. Adam then shrinks all outputs but
    the trivial one, and amplifies its own noise: on three moons the loss rose from
    the start. This form of the same loss does not, and is the stronger rival.) For
    :obj:`laplacian="sym"` the rows are divided by the square roots of their degrees,
    which makes the loss that of the normalised Laplacian. Once trained, the last layer
    is set on a sample of 10,000 points, and rotated to the eigenvectors that the
    space holds, which the loss leaves open. It is a part of the saved state.

    Args:
        n_components (int): Columns of the embedding :math:`K`. (default: :obj:`2`)
        batch_size (int): Points of a batch, at most all of them.
            (default: :obj:`2048`)
        n_neighbors (int): Neighbours of a node in the batch's graph.
            (default: :obj:`50`)
        max_iter (int): Number of iterations. (default: :obj:`300`)
        laplacian (str): :obj:`"sym"` or :obj:`"comb"`. (default: :obj:`"sym"`)
        bandwidth (str or float): See :func:`~pyg_basis.graph.affinity`.
            (default: :obj:`"self_tuning"`)
        network (torch.nn.Module, optional): The network to train a copy of, see
            :class:`~pyg_basis.BASiSLayer`. (default: :obj:`None`)
        learning_rate (float): Of Adam, before it decays. (default: :obj:`1e-3`)
        random_state (int, RandomState or None): Source of all randomness.
            (default: :obj:`None`)
        verbose (bool): Show a progress bar. (default: :obj:`False`)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "batch_size": count(2),
        "laplacian": one_of("sym", "comb"),
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        batch_size: int = 2048,
        n_neighbors: int = 50,
        max_iter: int = 300,
        laplacian: Literal["sym", "comb"] = "sym",
        bandwidth: Literal["self_tuning", "global"] | float = "self_tuning",
        network: nn.Module | None = None,
        learning_rate: float = 1e-3,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.batch_size = batch_size
        self.n_neighbors = n_neighbors
        self.max_iter = max_iter
        self.laplacian = laplacian
        self.bandwidth = bandwidth
        self.network = network
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.verbose = verbose

    def _num_in_graph(self, num_points: int) -> int:
        return min(self.batch_size, num_points)

    def _new_module(self, num_features: int, num_points: int) -> nn.Module:
        return EmbeddingNetwork(
            num_features, self.n_components, copy.deepcopy(self.network)
        )

    def _train(
        self, module: EmbeddingNetwork, x: Tensor, generator: torch.Generator
    ) -> list[float]:
        module.standardization.fit(x)
        space = self._space()

        def loss() -> Tensor:
            points = x[draw(len(x), self.batch_size, generator)]
            operator = batch_laplacian(points, space)
            outputs = module.rows(points)
            rows = outputs @ _orthonormalizing(outputs)
            # Half of the sum over all pairs; its scale is nothing to Adam.
            value = (rows * (operator.matrix @ rows)).sum() / len(points)
            return value / operator.degree.mean() if self.laplacian == "comb" else value

        history = minimize(
            module.network,
            loss,
            self.max_iter,
            self.learning_rate,
            self.verbose,
            "SpectralNet",
        )
        sample = x[draw(len(x), LAST_SAMPLE, generator)]
        module.take_eigenvectors(sample, batch_laplacian(sample, space))
        return history


def _orthonormalizing(rows: Tensor) -> Tensor:
    r"""The matrix :obj:`[K, K]` that makes the columns of rows :obj:`[m, K]`
    orthonormal, with mean square 1."""
    precise = rows.double()
    gram = precise.T @ precise / len(rows)
    # Outputs that do not differ yet have no Cholesky factor.
    tiny = torch.finfo(torch.float32).tiny
    gram.diagonal().add_(JITTER * gram.diagonal().mean() + tiny)
    factor = torch.linalg.cholesky(gram)
    identity = torch.eye(len(gram), dtype=gram.dtype)
    return torch.linalg.solve_triangular(factor, identity, upper=False).T.to(rows)
