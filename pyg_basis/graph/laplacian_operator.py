from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order, connected_components
from torch import Tensor

from pyg_basis.graph._sparse import csr_tensor, to_scipy_csr


@dataclass(frozen=True, eq=False, repr=False)
class Laplacian:
    r"""A graph Laplacian with what its eigenproblem needs to know.

    Built by :func:`~pyg_basis.graph.laplacian`.

    Args:
        matrix (Tensor): The Laplacian :math:`[n, n]`, sparse CSR.
        kind (str): ``"sym"`` (:math:`I - D^{-1/2} W D^{-1/2}`), ``"rw"``
            (:math:`I - D^{-1} W`) or ``"comb"`` (:math:`D - W`).
        degree (Tensor): Weighted degrees :math:`[n]`, the diagonal of :math:`D`.
    """

    matrix: Tensor
    kind: Literal["sym", "rw", "comb"]
    degree: Tensor

    @property
    def num_nodes(self) -> int:
        r"""The number of nodes :math:`n`."""
        return int(self.degree.numel())

    @property
    def norm_bound(self) -> float:
        r"""An upper bound of the spectral norm of :meth:`symmetric`."""
        if self.kind == "comb":
            # Gershgorin: every disc is centred at d_i with radius d_i at most.
            return 2 * float(self.degree.max())
        return 2.0  # Chung, "Spectral Graph Theory", Lemma 1.7.

    @cached_property
    def components(self) -> NDArray[np.int32]:
        r"""The connected component of each node, :math:`[n]`."""
        matrix = to_scipy_csr(self.matrix)
        # Most graphs are connected, which one search shows in a third of the time.
        reached = breadth_first_order(matrix, 0, return_predecessors=False)
        if len(reached) == self.num_nodes:
            return np.zeros(self.num_nodes, dtype=np.int32)
        labels: NDArray[np.int32] = connected_components(matrix, directed=False)[1]
        return labels

    def symmetric(self) -> Tensor:
        r"""The symmetric sparse CSR matrix :math:`[n, n]` that is decomposed.

        It is :attr:`matrix` itself for ``"sym"`` and ``"comb"``. For ``"rw"`` it is
        :math:`D^{1/2} L_{rw} D^{-1/2} = L_N`, which has the same eigenvalues; its
        eigenvectors :math:`u` give those of :math:`L_{rw}` as
        :math:`D^{-1/2} u`. There it is symmetric up to the last bits.
        """
        if self.kind != "rw":
            return self.matrix
        crow, column = self.matrix.crow_indices(), self.matrix.col_indices()
        row = torch.repeat_interleave(crow.diff())
        # An isolated node has a zero row whatever its factor is.
        root = torch.where(self.degree > 0, self.degree, 1.0).sqrt()
        scaled = self.matrix.values() * (root[row] / root[column])
        return csr_tensor(crow, column, scaled, self.num_nodes)

    def trivial(self) -> Tensor:
        r"""The known unit-norm null vector :math:`[n]` of :meth:`symmetric`.

        Proportional to :math:`\mathrm{degree}^{1/2}` for ``"sym"`` and ``"rw"``,
        constant for ``"comb"``.
        """
        constant = torch.full_like(self.degree, self.num_nodes**-0.5)
        if self.kind == "comb":
            return constant
        root = self.degree.sqrt()
        norm = torch.linalg.vector_norm(root)
        # Without any edge every vector is a null vector. No number is read by the host.
        return torch.where(norm > 0, root / norm, constant)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(kind={self.kind!r}, num_nodes={self.num_nodes}, "
            f"num_edges={self.matrix.values().numel() - self.num_nodes})"
        )
