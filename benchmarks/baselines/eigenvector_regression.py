from dataclasses import KW_ONLY, dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.baselines.baseline import Baseline
from benchmarks.baselines.embedding_network import EmbeddingNetwork
from benchmarks.baselines.training import LAST_SAMPLE, draw, minimize
from benchmarks.lib.exact import exact_space
from pyg_basis.nn import DegreeExtension


@dataclass(eq=False, repr=False)
class EigenvectorRegression(Baseline):
    r"""Regression of the exact eigenvectors of the graph of all points, in
    mini-batches.

    .. math::
        \frac{1}{m} \sum_i \| f(x_i) - \phi_i \|^2

    This is what a network can be taught as long as the whole graph can be held and
    decomposed: `"Diffusion Nets" <https://arxiv.org/abs/1506.07840>`_ (Mishne et al.
    2015) without its regularizer. Memory and time grow with the number of points.

    Args:
        batch_size: Points of a mini-batch, at most all of them.
        max_iter: Number of mini-batches.
        extend_degree: As :class:`~pyg_basis.BASiSLayer` does it: regress the
            random-walk eigenvectors, and multiply by a
            :class:`~pyg_basis.nn.DegreeExtension` of a sample of 10,000 points.
        laplacian: :obj:`"sym"`, or :obj:`"rw"`: the random-walk eigenvectors alone.
        learning_rate: Of Adam, before it decays.
    """

    _: KW_ONLY
    batch_size: int = 2048
    max_iter: int = 300
    extend_degree: bool = False
    laplacian: Literal["sym", "rw"] = "sym"
    learning_rate: float = 1e-3

    def _fitted(
        self, x: Tensor, generator: torch.Generator
    ) -> tuple[EmbeddingNetwork, list[float]]:
        extends = self.extend_degree and self.laplacian == "sym"
        kind = _WithDegree if extends else EmbeddingNetwork
        module = kind(x.size(1), self.n_components)
        space = exact_space(self.n_components, self.n_neighbors, self.laplacian)
        exact = space(x)
        target = exact.vectors
        if isinstance(module, _WithDegree):
            root = exact.degree.sqrt().unsqueeze(1)
            target = target / root * root.square().mean().sqrt()
            sample = x[draw(len(x), LAST_SAMPLE, generator)]
            module.root_degree.fit(sample, space.operator(sample).degree, generator)
        module.standardization.fit(x)

        def loss() -> Tensor:
            batch = draw(len(x), self.batch_size, generator)
            return F.mse_loss(module.rows(x[batch]), target[batch])

        return module, minimize(module.network, loss, self.max_iter, self.learning_rate)


class _WithDegree(EmbeddingNetwork):
    """The network's rows times the square root of the extended degree."""

    def __init__(self, in_channels: int, num_eigenvectors: int) -> None:
        super().__init__(in_channels, num_eigenvectors)
        self.root_degree = DegreeExtension(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        root: Tensor = self.root_degree(x)
        return super().forward(x) * root.unsqueeze(1)
