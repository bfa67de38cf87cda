import copy
from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
import scipy.sparse
import torch
from torch import Tensor, nn

from pyg_basis.baselines._baseline import Baseline
from pyg_basis.baselines._batches import LAST_SAMPLE, batch_laplacian, draw
from pyg_basis.baselines._embedding_network import EmbeddingNetwork
from pyg_basis.baselines._minimize import minimize
from pyg_basis.estimators._parameters import Rule, count, one_of


class SpecNet2(Baseline):
    r"""A loss whose minimum is the eigenspace without any constraint: `"SpecNet2:
    Orthogonalization-free spectral embedding by neural networks"
    <https://arxiv.org/abs/2206.06644>`_ (Chen, Li and Cheng 2022), Section 3; Eq. 9
    and 10 of `BASiS <https://arxiv.org/abs/2211.16960>`_.

    .. math::
        -\frac{2}{n} \operatorname{tr}(Z^\top A Z)
        + \left\| \tfrac1n Z^\top Z \right\|_F^2, \qquad A = D^{-1/2} W D^{-1/2}

    The rows of :math:`Z` are :math:`f(x_i)` for :obj:`laplacian="sym"`, and
    :math:`d_i^{1/2} f(x_i)`, degrees relative to their mean, for :obj:`"rw"`, which
    is the paper's own form. The gradient with respect to a batch's rows,
    :math:`4 (Z_B (Z^\top Z / n) - A_{B,:} Z) / n`, is taken in one of two ways:
    :obj:`"neighbor"` has the graph of all points, sums over all neighbours of the
    batch's nodes, and estimates :math:`Z^\top Z / n` from as many points at random.
    (The paper's code keeps the rows of all points as last seen, and so a matrix that
    lags behind the network: on MNIST's features that trained far worse.)
    :obj:`"local"` takes both sums over the batch, in the batch's own graph. The
    paper's post-processing, which takes the space apart into eigenvectors, is done on
    a sample of 10,000 points.

    Args:
        n_components (int): Columns of the embedding :math:`K`. (default: :obj:`2`)
        batch_operator (str): :obj:`"neighbor"` or :obj:`"local"`.
            (default: :obj:`"neighbor"`)
        batch_size (int): Points of a batch, at most all of them. The neighbours of a
            batch come in addition. (default: :obj:`2048`)
        n_neighbors (int): Neighbours of a node. (default: :obj:`50`)
        max_iter (int): Number of iterations. (default: :obj:`300`)
        laplacian (str): :obj:`"sym"` or :obj:`"rw"`. (default: :obj:`"sym"`)
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
        "batch_operator": one_of("neighbor", "local"),
        "batch_size": count(2),
        "laplacian": one_of("sym", "rw"),
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        batch_operator: Literal["neighbor", "local"] = "neighbor",
        batch_size: int = 2048,
        n_neighbors: int = 50,
        max_iter: int = 300,
        laplacian: Literal["sym", "rw"] = "sym",
        bandwidth: Literal["self_tuning", "global"] | float = "self_tuning",
        network: nn.Module | None = None,
        learning_rate: float = 1e-3,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.batch_operator = batch_operator
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
        is_local = self.batch_operator == "local"
        return min(self.batch_size, num_points) if is_local else num_points

    def _new_module(self, num_features: int, num_points: int) -> nn.Module:
        return EmbeddingNetwork(
            num_features, self.n_components, copy.deepcopy(self.network)
        )

    def _train(
        self, module: EmbeddingNetwork, x: Tensor, generator: torch.Generator
    ) -> list[float]:
        module.standardization.fit(x)
        losses = {"local": self._local, "neighbor": self._neighbor}
        history = minimize(
            module.network,
            losses[self.batch_operator](module, x, generator),
            self.max_iter,
            self.learning_rate,
            self.verbose,
            "SpecNet2",
        )
        sample = x[draw(len(x), LAST_SAMPLE, generator)]
        operator = batch_laplacian(sample, self._space())
        module.take_eigenvectors(sample, operator, self._root(operator.degree))
        return history

    def _root(self, degree: Tensor) -> Tensor:
        """What the outputs are multiplied by, ``[m, 1]``."""
        if self.laplacian == "sym":
            return torch.ones_like(degree).unsqueeze(1)
        return (degree / degree.mean()).sqrt().unsqueeze(1)

    def _local(
        self, module: EmbeddingNetwork, x: Tensor, generator: torch.Generator
    ) -> Callable[[], Tensor]:
        space = self._space()

        def loss() -> Tensor:
            points = x[draw(len(x), self.batch_size, generator)]
            operator = batch_laplacian(points, space)
            z = module.rows(points) * self._root(operator.degree)
            smoothed = z - operator.matrix @ z  # A = I - L
            gram = z.T @ z / len(z)
            return gram.square().sum() - 2 * (z * smoothed).sum() / len(z)

        return loss

    def _neighbor(
        self, module: EmbeddingNetwork, x: Tensor, generator: torch.Generator
    ) -> Callable[[], Tensor]:
        operator = self._space().operator(x)
        root = self._root(operator.degree).to(x)
        parts = operator.symmetric()
        arrays = (parts.values(), parts.col_indices(), parts.crow_indices())
        graph = scipy.sparse.csr_array(tuple(array.numpy() for array in arrays))

        def loss() -> Tensor:
            batch = draw(len(x), self.batch_size, generator)
            rows = graph[batch.numpy()].astype(np.float32)
            # The diagonal is stored: a node is among its own neighbours.
            columns, index = np.unique(rows.indices, return_inverse=True)
            near = torch.from_numpy(columns).long()
            rows = scipy.sparse.csr_array(
                (rows.data, index, rows.indptr), shape=(len(batch), len(near))
            )
            others = draw(len(x), len(near), generator)
            with torch.no_grad():
                around = module.rows(x[near]) * root[near]
                sample = module.rows(x[others]) * root[others]
            gram = sample.T @ sample / len(sample)
            z = module.rows(x[batch]) * root[batch]
            # L Z at the batch's nodes, where A Z = Z - L Z.
            smoothed = z.detach() - torch.from_numpy(rows @ around.numpy())
            gradient = 4 * (z.detach() @ gram - smoothed)
            value = gram.square().sum() - 2 * (z.detach() * smoothed).sum() / len(z)
            # Its value is the loss, its derivative the gradient by all nodes' rows.
            step = (z * gradient).sum() / len(z)
            return value + step - step.detach()

        return loss
