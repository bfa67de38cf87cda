from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pyg_basis.graph import Laplacian


@dataclass(frozen=True)
class NullSpace:
    r"""The null space of a Laplacian, constructed from the components of its graph.

    It is spanned by the restrictions of the trivial vector to each component. Their
    supports are disjoint, so a projection takes :math:`O(n)` for any number of them.

    Args:
        labels (np.ndarray): The component of each node, the heaviest (by the squared
            trivial vector) first, shape :obj:`[n]`.
        weights (np.ndarray): The null vectors, each at the nodes of its own
            component, shape :obj:`[n]`.
        trivial (np.ndarray): The trivial vector, of unit norm, shape :obj:`[n]`. It is
            zero at isolated nodes, if there are others.
        dimension (int): The number of components, 0 if unknown.
        residual (float): The largest norm of the products of the matrix and the
            vectors. The matrix of a single precision Laplacian is rounded, so its null
            vectors are accurate to about :obj:`1e-7` only.
    """

    labels: np.ndarray
    weights: np.ndarray
    trivial: np.ndarray
    dimension: int = 0
    residual: float = 0.0

    @classmethod
    def unknown(cls, n: int) -> "NullSpace":
        r"""The unknown null space of a matrix of :obj:`n` rows: no vectors."""
        return cls(np.zeros(n, dtype=np.int64), *np.zeros((2, n)))

    @classmethod
    def of(cls, laplacian: Laplacian, matrix: np.ndarray) -> "NullSpace":
        r"""The null space of the symmetric form of a Laplacian, in host memory."""
        vector = laplacian.trivial().detach().double()
        trivial = (vector / vector.norm()).cpu().numpy()
        # The square root of the degree is zero at isolated nodes. Each is a component
        # with a constant null vector.
        vector = np.where(trivial == 0, np.finfo(np.float64).eps, trivial)
        labels = laplacian.components
        dimension = int(labels.max()) + 1
        norms = np.sqrt(np.bincount(labels, vector**2, dimension))
        weights = vector / norms[labels]
        # Supports are disjoint: one product gives the residuals of all vectors.
        squares = np.bincount(labels, (matrix @ weights) ** 2, dimension)
        rank = np.empty(dimension, dtype=np.int64)
        rank[np.argsort(-norms, kind="stable")] = np.arange(dimension)
        residual = float(np.sqrt(squares.max()))
        return cls(rank[labels], weights, trivial, dimension, residual)

    def basis(self, k: int) -> np.ndarray:
        r"""Returns the vectors of the heaviest components, at most :obj:`k`."""
        chosen = self.labels[:, None] == np.arange(min(k, self.dimension))
        return np.where(chosen, self.weights[:, None], 0.0)

    def project_out(self, x: np.ndarray) -> np.ndarray:
        r"""Returns the part of a vector :obj:`[n]` orthogonal to the null space."""
        if self.dimension == 0:
            return x
        sums = np.bincount(self.labels, self.weights * x, self.dimension)
        projected: np.ndarray = x - self.weights * sums[self.labels]
        return projected

    def project_out_(self, block: Tensor) -> Tensor:
        r"""Projects the columns of a block :obj:`[n, p]` in the same way, in place and
        in the block's precision."""
        if self.dimension == 0:
            return block
        weights = torch.from_numpy(self.weights).to(block).unsqueeze(1)
        if self.dimension == 1:
            return block.addmm_(weights, weights.t() @ block, alpha=-1)
        labels = torch.from_numpy(self.labels).to(block.device)
        sums = block.new_zeros(self.dimension, block.size(1))
        sums.index_add_(0, labels, weights * block)
        return block.sub_(weights * sums[labels])
