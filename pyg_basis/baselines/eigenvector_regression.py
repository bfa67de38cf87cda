import copy
from typing import ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_basis.baselines._baseline import Baseline
from pyg_basis.baselines._batches import draw
from pyg_basis.baselines._embedding_network import EmbeddingNetwork
from pyg_basis.baselines._minimize import minimize
from pyg_basis.estimators._parameters import Rule, count, one_of, switch
from pyg_basis.loader import ExactEmbedding
from pyg_basis.nn.degree_extension import DEGREE_SAMPLE, DegreeExtension


class EigenvectorRegression(Baseline):
    r"""Regression of the exact eigenvectors of the graph of all points, in
    mini-batches.

    .. math::
        \frac{1}{m} \sum_i \| f(x_i) - \phi_i \|^2

    This is what a network can be taught as long as the whole graph can be held and
    decomposed: `"Diffusion Nets" <https://arxiv.org/abs/1506.07840>`_ (Mishne et al.
    2015) without its regulariser. Memory and time grow with the number of points.

    Args:
        n_components (int): Columns of the embedding :math:`K`. (default: :obj:`2`)
        batch_size (int): Points of a mini-batch, at most all of them.
            (default: :obj:`2048`)
        n_neighbors (int): Neighbours of a node. (default: :obj:`50`)
        max_iter (int): Number of mini-batches. (default: :obj:`300`)
        laplacian (str): :obj:`"sym"`, :obj:`"rw"` or :obj:`"comb"`.
            (default: :obj:`"sym"`)
        extend_degree (bool): As :class:`~pyg_basis.BASiSLayer` does it: regress the
            random-walk eigenvectors, and multiply by a
            :class:`~pyg_basis.nn.DegreeExtension`; with :obj:`laplacian="sym"` only.
            (default: :obj:`False`)
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
        "batch_size": count(1),
        "laplacian": one_of("sym", "rw", "comb"),
        "extend_degree": switch(),
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        batch_size: int = 2048,
        n_neighbors: int = 50,
        max_iter: int = 300,
        laplacian: Literal["sym", "rw", "comb"] = "sym",
        extend_degree: bool = False,
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
        self.extend_degree = extend_degree
        self.bandwidth = bandwidth
        self.network = network
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.verbose = verbose

    def _space(self) -> ExactEmbedding:
        if self.extend_degree and self.laplacian != "sym":
            raise ValueError(
                f"extend_degree=True needs laplacian='sym', not {self.laplacian!r}: "
                f"only its eigenvectors have the degrees as a factor"
            )
        return super()._space()

    def _new_module(self, num_features: int, num_points: int) -> nn.Module:
        network = copy.deepcopy(self.network)
        if self.extend_degree:
            return _WithDegree(num_features, self.n_components, network)
        return EmbeddingNetwork(num_features, self.n_components, network)

    def _train(
        self, module: EmbeddingNetwork, x: Tensor, generator: torch.Generator
    ) -> list[float]:
        exact = self._space()(x)
        target = exact.vectors
        if isinstance(module, _WithDegree):
            root = exact.degree.sqrt().unsqueeze(1)
            target = target / root * root.square().mean().sqrt()
            sample = draw(len(x), DEGREE_SAMPLE, generator)
            degree = self._space().operator(x[sample]).degree
            module.degree.fit(x[sample], degree, generator)
        module.standardization.fit(x)
        module.eigenvalues.copy_(exact.values)

        def loss() -> Tensor:
            batch = draw(len(x), self.batch_size, generator)
            return F.mse_loss(module.rows(x[batch]), target[batch])

        return minimize(
            module.network,
            loss,
            self.max_iter,
            self.learning_rate,
            self.verbose,
            "regression",
        )


class _WithDegree(EmbeddingNetwork):
    """The network's rows times the square root of the extended degree."""

    def __init__(
        self, in_channels: int, num_eigenvectors: int, network: nn.Module | None
    ) -> None:
        super().__init__(in_channels, num_eigenvectors, network)
        self.degree = DegreeExtension(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        root: Tensor = self.degree(x)
        return super().forward(x) * root.unsqueeze(1)
