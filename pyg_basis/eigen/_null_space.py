from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pyg_basis.eigen.symmetric_operator import SymmetricOperator


@dataclass(frozen=True)
class NullSpace:
    r"""The null space of a Laplacian, read off the components of its graph.

    It is spanned by the known null vector restricted to each component, vectors of
    disjoint support, so that projecting takes :math:`O(n)` however many they are.

    Args:
        labels (np.ndarray): The component of each node, the heaviest (by the squared
            null vector) first, shape :obj:`[n]`.
        weights (np.ndarray): The null vectors, each at the nodes of its own
            component, shape :obj:`[n]`.
        dimension (int): The number of components, 0 if nothing is known.
    """

    labels: np.ndarray
    weights: np.ndarray
    dimension: int

    @classmethod
    def of(cls, operator: SymmetricOperator, tol: float) -> "NullSpace":
        r"""The null space where it is known to half of :obj:`tol`, else empty.

        The matrix of a single precision Laplacian is rounded, and its null vectors
        then are those of the exact one to about :obj:`1e-7` only.
        """
        n = operator.num_nodes
        nothing = cls(np.zeros(n, dtype=np.int64), np.zeros(n), 0)
        if operator.null_vector is None or operator.laplacian is None:
            return nothing
        matrix = operator.to_scipy()
        vector = operator.null_vector.cpu().numpy()
        # The square root of the degree vanishes at isolated nodes, each of which is
        # a component with a constant null vector.
        vector = np.where(vector == 0, np.finfo(np.float64).eps, vector)
        labels = operator.laplacian.components
        dimension = int(labels.max()) + 1
        norms = np.sqrt(np.bincount(labels, vector**2, dimension))
        weights = vector / norms[labels]
        # Supports are disjoint: one product holds the residuals of all vectors.
        squares = np.bincount(labels, (matrix @ weights) ** 2, dimension)
        if np.sqrt(squares.max()) > 0.5 * tol * operator.norm_bound:
            return nothing
        rank = np.empty(dimension, dtype=np.int64)
        rank[np.argsort(-norms, kind="stable")] = np.arange(dimension)
        return cls(rank[labels], weights, dimension)

    def basis(self, k: int) -> np.ndarray:
        r"""The vectors of the heaviest components, :obj:`k` of them at most."""
        columns = min(k, self.dimension)
        chosen = self.labels[:, None] == np.arange(columns)
        return np.where(chosen, self.weights[:, None], 0.0)

    def project_out(self, x: np.ndarray) -> np.ndarray:
        r"""The part of a vector :obj:`[n]` orthogonal to the null space."""
        if self.dimension == 0:
            return x
        sums = np.bincount(self.labels, self.weights * x, self.dimension)
        projected: np.ndarray = x - self.weights * sums[self.labels]
        return projected

    def project_out_(self, block: Tensor) -> Tensor:
        r"""The same for the columns of a block :obj:`[n, p]`, in place and in the
        precision of the block."""
        if self.dimension == 0:
            return block
        weights = torch.from_numpy(self.weights).to(block).unsqueeze(1)
        if self.dimension == 1:
            return block.addmm_(weights, weights.t() @ block, alpha=-1)
        labels = torch.from_numpy(self.labels).to(block.device)
        sums = block.new_zeros(self.dimension, block.size(1))
        sums.index_add_(0, labels, weights * block)
        return block.sub_(weights * sums[labels])
