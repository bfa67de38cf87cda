from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from sklearn.utils._param_validation import Interval
from torch import Tensor

from pyg_basis._constraints import StrOptions, check_arguments
from pyg_basis.graph._edges import Graph, as_data, weight_matrix
from pyg_basis.graph._sparse import component_labels, csr_tensor, to_scipy_csr
from pyg_basis.graph.density_normalized import density_normalized

LaplacianKind = Literal["sym", "rw", "comb"]
KIND = [StrOptions(set(get_args(LaplacianKind)))]
ALPHA = [Interval(Real, 0, 1, closed="both")]


def laplacian(
    graph: Graph, kind: LaplacianKind = "sym", alpha: float = 0.0
) -> "Laplacian":
    r"""The Laplacian of a symmetric weighted graph as a torch sparse CSR matrix.

    With weights :math:`W` and degrees :math:`D = \mathrm{diag}(W \mathbf{1})`:

    .. math::
        L_{sym} = I - D^{-1/2} W D^{-1/2}, \quad
        L_{rw} = I - D^{-1} W, \quad
        L_{comb} = D - W

    The row of an isolated node is zero in every kind: a separate component with
    eigenvalue 0 (Chung, `"Spectral Graph Theory"
    <https://mathweb.ucsd.edu/~fan/research/revised.html>`_, 1997, Section 1.2; as in
    :func:`scipy.sparse.csgraph.laplacian`). Loops are ignored, as there and in
    :func:`torch_geometric.utils.get_laplacian`; repeated edges are summed.

    Args:
        graph (Data, networkx.Graph or scipy.sparse): ``edge_index`` :math:`[2, E]`
            with both directions of every edge, and ``edge_weight`` :math:`[E]`,
            nonnegative (all ones in the default dtype if missing); or an undirected
            networkx graph with the edge attribute ``"weight"`` (1 if missing); or the
            matrix :math:`W`, of :mod:`scipy.sparse` or a NumPy array.
        kind (str): ``"sym"``, ``"rw"`` or ``"comb"``. (default: ``"sym"``)
        alpha (float): Exponent of the density normalization of the weights, from 0 to
            1, see :func:`~pyg_basis.graph.density_normalized`. (default: ``0``)

    Returns:
        Laplacian: Matrix :math:`[n, n]`, kind and degrees, in the dtype of
        ``edge_weight``, but at least in single precision. The diagonal is stored in
        every row.

    Raises:
        ValueError: If ``kind`` is unknown, ``alpha`` or ``edge_index`` is out of range,
            a weight is negative or not finite, the weights are not symmetric (up to
            rounding of the largest), or their sum overflows their dtype.
    """
    constraints = {"kind": KIND, "alpha": ALPHA}
    check_arguments(constraints, "laplacian", kind=kind, alpha=alpha)
    data = as_data(graph, features=False)
    weights = density_normalized(weight_matrix(data), alpha)
    found = Laplacian.of_weights(weights, kind)
    edges, weight = data.edge_index, data.edge_weight
    dtype = torch.get_default_dtype() if weight is None else weight.dtype
    dtype = torch.promote_types(dtype, torch.float32)
    return found.to(torch.empty(0, dtype=dtype, device=edges.device))


@dataclass(frozen=True, eq=False, repr=False)
class Laplacian:
    r"""A graph Laplacian with the quantities that its eigenproblem needs.

    Built by :func:`~pyg_basis.graph.laplacian`.

    Args:
        matrix (Tensor): The Laplacian :math:`[n, n]`, sparse CSR.
        kind (str): ``"sym"`` (:math:`I - D^{-1/2} W D^{-1/2}`), ``"rw"``
            (:math:`I - D^{-1} W`) or ``"comb"`` (:math:`D - W`).
        degree (Tensor): Weighted degrees :math:`[n]`, the diagonal of :math:`D`.
    """

    matrix: Tensor
    kind: LaplacianKind
    degree: Tensor

    @classmethod
    def of_weights(cls, weight: csr_matrix, kind: LaplacianKind) -> "Laplacian":
        r"""Builds the Laplacian of symmetric weights :math:`[n, n]` in double
        precision. Their diagonal is part of the degrees."""
        if not weight.has_sorted_indices:  # as for products of matrices
            weight = weight.sorted_indices()
        degree = np.asarray(weight.sum(axis=1)).ravel()
        own = weight.diagonal()
        if own.any():
            weight = weight - diags(own, format="csr")
        row = np.repeat(np.arange(len(degree)), np.diff(weight.indptr))
        # Isolated nodes have no edges: their factor is never used.
        safe = np.where(degree > 0, degree, 1.0)
        if kind == "comb":
            values, diagonal = -weight.data, degree - own
        else:
            root = np.sqrt(safe)
            # Multiply both roots first: the result is symmetric to the bit.
            scale = safe[row] if kind == "rw" else root[row] * root[weight.indices]
            values, diagonal = -weight.data / scale, (degree > 0) - own / safe
        # Insert each diagonal entry after those to the left of it.
        num_left = np.bincount(row[weight.indices < row], minlength=len(degree))
        place = weight.indptr[:-1] + num_left
        node = np.arange(len(degree), dtype=weight.indices.dtype)
        matrix = csr_tensor(
            torch.from_numpy(weight.indptr + np.arange(len(degree) + 1)),
            torch.from_numpy(np.insert(weight.indices, place, node)),
            torch.from_numpy(np.insert(values, place, diagonal)),
            len(degree),
        )
        return cls(matrix, kind, torch.from_numpy(degree))

    def to(self, like: Tensor) -> "Laplacian":
        r"""Returns the Laplacian in the dtype and on the device of a tensor."""
        return Laplacian(self.matrix.to(like), self.kind, self.degree.to(like))

    @property
    def num_nodes(self) -> int:
        r"""The number of nodes :math:`n`."""
        return int(self.degree.numel())

    @property
    def norm_bound(self) -> float:
        r"""An upper bound of the spectral norm of :meth:`symmetric`."""
        if self.kind == "comb":
            # Gershgorin: every disc is centered at d_i with radius at most d_i.
            return 2 * float(self.degree.max())
        return 2.0  # Chung, "Spectral Graph Theory", Lemma 1.7.

    @cached_property
    def components(self) -> NDArray[np.int32]:
        r"""The connected component of each node, :math:`[n]`."""
        return component_labels(to_scipy_csr(self.matrix))

    @property
    def num_components(self) -> int:
        r"""The number of connected components."""
        return int(self.components.max()) + 1

    @property
    def root_degree(self) -> Tensor:
        r"""The square roots of the degrees :math:`[n]`, 1 for isolated nodes, whose
        rows are zero anyway."""
        return torch.where(self.degree > 0, self.degree, 1.0).sqrt()

    def symmetric(self) -> Tensor:
        r"""Returns the symmetric sparse CSR matrix :math:`[n, n]` to decompose.

        For ``"sym"`` and ``"comb"`` it is :attr:`matrix`. For ``"rw"`` it is
        :math:`D^{1/2} L_{rw} D^{-1/2} = L_N`, with the same eigenvalues; its
        eigenvectors :math:`u` give those of :math:`L_{rw}` as :math:`D^{-1/2} u`. That
        matrix is symmetric up to rounding.
        """
        if self.kind != "rw":
            return self.matrix
        crow, column = self.matrix.crow_indices(), self.matrix.col_indices()
        row = torch.repeat_interleave(crow.diff())
        root = self.root_degree
        scaled = self.matrix.values() * (root[row] / root[column])
        return csr_tensor(crow, column, scaled, self.num_nodes)

    def trivial(self) -> Tensor:
        r"""Returns the known unit-norm null vector :math:`[n]` of :meth:`symmetric`.

        Proportional to :math:`\mathrm{degree}^{1/2}` for ``"sym"`` and ``"rw"``,
        constant for ``"comb"``.
        """
        constant = torch.full_like(self.degree, self.num_nodes**-0.5)
        if self.kind == "comb":
            return constant
        root = self.degree.sqrt()
        norm = torch.linalg.vector_norm(root)
        # Without edges, every vector is a null vector.
        return root / norm if norm > 0 else constant

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(kind={self.kind!r}, num_nodes={self.num_nodes}, "
            f"num_edges={self.matrix.values().numel() - self.num_nodes})"
        )
