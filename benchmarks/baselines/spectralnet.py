from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.baselines.baseline import BatchBaseline
from benchmarks.baselines.embedding_network import EmbeddingNetwork
from benchmarks.baselines.training import batch_laplacian, draw

# Added to the diagonal before the Cholesky decomposition, relative to its mean.
JITTER = 1e-12


@dataclass(eq=False, repr=False)
class SpectralNet(BatchBaseline):
    r"""The spectral loss on batches, with a last layer that keeps the outputs
    orthonormal: `"SpectralNet: Spectral Clustering using Deep Neural Networks"
    <https://arxiv.org/abs/1801.01587>`_ (Shaham et al. 2018), Section 3.1 and
    Algorithm 1; Eq. 8 of `BASiS <https://arxiv.org/abs/2211.16960>`_.

    .. math::
        \frac{1}{m^2} \sum_{ij} W_{ij}
        \Bigl\| \frac{y_i}{\sqrt{d_i}} - \frac{y_j}{\sqrt{d_j}} \Bigr\|^2
        \quad\text{subject to}\quad \tfrac1m Y^\top Y = I

    The last, linear layer is set from the Cholesky factor of the outputs for the
    batch, and the gradient passes through it. (The paper sets it on one batch and
    holds it fixed for a gradient step on another. Adam then shrinks all outputs but
    the trivial one, and amplifies its own noise: on three moons the loss rose from
    the start. This form of the same loss does not, and is the stronger rival.) The
    roots of the degrees make it the loss of the normalized Laplacian. Once trained, the
    last layer is set on a sample of 10,000 points, and rotated to the eigenvectors that
    the space holds, which the loss leaves open.
    """

    def _loss(
        self, module: EmbeddingNetwork, x: Tensor, generator: torch.Generator
    ) -> Callable[[], Tensor]:
        def loss() -> Tensor:
            points = x[draw(len(x), self.batch_size, generator)]
            operator = batch_laplacian(points, self.n_neighbors)
            outputs = module.rows(points)
            rows = outputs @ orthonormalizing(outputs)
            # Half of the sum over all pairs; its scale is nothing to Adam.
            return (rows * (operator.matrix @ rows)).sum() / len(points)

        return loss


def orthonormalizing(rows: Tensor) -> Tensor:
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
