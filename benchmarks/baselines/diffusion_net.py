from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

import torch
from torch import Tensor

from benchmarks.baselines.baseline import Baseline
from benchmarks.baselines.embedding_network import EmbeddingNetwork
from benchmarks.baselines.training import draw, minimize
from benchmarks.lib.exact import exact_space
from pyg_basis.eigen import eigenpairs

WEIGHT_DECAY = 1e-6
EIGENVECTOR_PENALTY = 1.0


@dataclass(eq=False, repr=False)
class DiffusionNet(Baseline):
    r"""Regression of exact eigenvectors on one fixed graph, with a regularizer that
    asks the outputs to be eigenvectors: `"Diffusion Nets"
    <https://arxiv.org/abs/1506.07840>`_ (Mishne, Shaham, Cloninger and Cohen, 2015),
    Section 3, without its decoder; Eq. 7 of `BASiS
    <https://arxiv.org/abs/2211.16960>`_.

    .. math::
        \frac{1}{2m} \sum_i \| f(x_i) - \phi_i \|^2
        + \frac{\mu}{2} \sum_l \| \theta_l \|^2
        + \frac{\eta}{2m} \sum_j \| (P - \lambda_j I) y_j \|^2

    The sum over :math:`l` is over weight matrices, :math:`y_j` the :math:`j`-th
    output at all nodes, :math:`P = I - L` the diffusion operator and
    :math:`\lambda_j` its eigenvalue; :math:`\mu` is 1e-6 and :math:`\eta` 1. Every
    iteration takes all nodes of the graph.

    Args:
        sample_size: Points that the graph is made of, drawn at random; all of them if
            not given.
        max_iter: Number of iterations.
        learning_rate: Of Adam, before it decays.
    """

    _: KW_ONLY
    sample_size: int | None = None
    max_iter: int = 300
    learning_rate: float = 1e-3

    def _fitted(
        self, x: Tensor, generator: torch.Generator
    ) -> tuple[EmbeddingNetwork, list[float]]:
        module = EmbeddingNetwork(x.size(1), self.n_components)
        x = x[draw(len(x), self.sample_size or len(x), generator)]
        module.standardization.fit(x)
        loss = self._loss(module, x)
        return module, minimize(module.network, loss, self.max_iter, self.learning_rate)

    def _loss(self, module: EmbeddingNetwork, x: Tensor) -> Callable[[], Tensor]:
        operator = exact_space(self.n_components, self.n_neighbors).operator(x)
        pairs = eigenpairs(operator, self.n_components)
        vectors, values = pairs.vectors.to(x), pairs.values.to(x)
        target = vectors * (len(x) ** 0.5 / vectors.norm(dim=0))
        matrix = operator.matrix.to(x.dtype)
        weights = [w for w in module.network.parameters() if w.dim() > 1]

        def loss() -> Tensor:
            rows = module.rows(x)
            distance = (rows - target).square().sum() / (2 * len(x))
            decay = sum(weight.square().sum() for weight in weights)
            # With P = I - L, P - (1 - value) is value - L.
            error = (matrix @ rows - rows * values).square().sum()
            return (
                distance
                + WEIGHT_DECAY / 2 * decay
                + EIGENVECTOR_PENALTY / (2 * len(x)) * error
            )

        return loss
