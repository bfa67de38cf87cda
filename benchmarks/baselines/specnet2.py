from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Literal

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from benchmarks.baselines.baseline import BatchBaseline
from benchmarks.baselines.embedding_network import EmbeddingNetwork
from benchmarks.baselines.training import batch_laplacian, draw
from benchmarks.lib.exact import exact_space


@dataclass(eq=False, repr=False)
class SpecNet2(BatchBaseline):
    r"""A loss whose minimum is the eigenspace without any constraint: `"SpecNet2:
    Orthogonalization-free spectral embedding by neural networks"
    <https://arxiv.org/abs/2206.06644>`_ (Chen, Li and Cheng 2022), Section 3; Eq. 9
    and 10 of `BASiS <https://arxiv.org/abs/2211.16960>`_.

    .. math::
        -\frac{2}{n} \operatorname{tr}(Z^\top A Z)
        + \left\| \tfrac1n Z^\top Z \right\|_F^2, \qquad A = D^{-1/2} W D^{-1/2}

    The rows of :math:`Z` are :math:`f(x_i)`. The gradient with respect to a batch's
    rows, :math:`4 (Z_B (Z^\top Z / n) - A_{B,:} Z) / n`, is taken in one of two ways:
    :obj:`"neighbor"` has the graph of all points, sums over all neighbors of the
    batch's nodes, which come in addition, and estimates :math:`Z^\top Z / n` from as
    many points at random. (The paper's code keeps the rows of all points as last seen,
    and so a matrix that lags behind the network: on MNIST's features that trained far
    worse.)
    :obj:`"local"` takes both sums over the batch, in the batch's own graph. The
    paper's post-processing, which takes the space apart into eigenvectors, is done on
    a sample of 10,000 points.

    Args:
        batch_operator: :obj:`"neighbor"` or :obj:`"local"`.
    """

    _: KW_ONLY
    batch_operator: Literal["neighbor", "local"] = "neighbor"

    def _loss(
        self, module: EmbeddingNetwork, x: Tensor, generator: torch.Generator
    ) -> Callable[[], Tensor]:
        kind = self._local if self.batch_operator == "local" else self._neighbor
        return kind(module, x, generator)

    def _local(
        self, module: EmbeddingNetwork, x: Tensor, generator: torch.Generator
    ) -> Callable[[], Tensor]:
        def loss() -> Tensor:
            points = x[draw(len(x), self.batch_size, generator)]
            operator = batch_laplacian(points, self.n_neighbors)
            z = module.rows(points)
            smoothed = z - operator.matrix @ z  # A = I - L
            gram = z.T @ z / len(z)
            return gram.square().sum() - 2 * (z * smoothed).sum() / len(z)

        return loss

    def _neighbor(
        self, module: EmbeddingNetwork, x: Tensor, generator: torch.Generator
    ) -> Callable[[], Tensor]:
        space = exact_space(self.n_components, self.n_neighbors)
        parts = space.operator(x).symmetric()
        arrays = (parts.values(), parts.col_indices(), parts.crow_indices())
        graph = scipy.sparse.csr_array(tuple(array.numpy() for array in arrays))

        def loss() -> Tensor:
            batch = draw(len(x), self.batch_size, generator)
            rows = graph[batch.numpy()].astype(np.float32)
            # The diagonal is stored: a node is among its own neighbors.
            columns, index = np.unique(rows.indices, return_inverse=True)
            near = torch.from_numpy(columns).long()
            rows = scipy.sparse.csr_array(
                (rows.data, index, rows.indptr), shape=(len(batch), len(near))
            )
            others = draw(len(x), len(near), generator)
            with torch.no_grad():
                around, sample = module.rows(x[near]), module.rows(x[others])
            gram = sample.T @ sample / len(sample)
            z = module.rows(x[batch])
            # L Z at the batch's nodes, where A Z = Z - L Z.
            smoothed = z.detach() - torch.from_numpy(rows @ around.numpy())
            gradient = 4 * (z.detach() @ gram - smoothed)
            value = gram.square().sum() - 2 * (z.detach() * smoothed).sum() / len(z)
            # Its value is the loss, its derivative the gradient by all nodes' rows.
            step = (z * gradient).sum() / len(z)
            return value + step - step.detach()

        return loss
