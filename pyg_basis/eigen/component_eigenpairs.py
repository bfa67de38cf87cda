from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pyg_basis._constraints import between, check_arguments
from pyg_basis._precision import without_autocast
from pyg_basis._warn import warn
from pyg_basis.eigen._canonical_basis import canonical_basis, normalize_signs
from pyg_basis.eigen.eigenpairs import (
    CONSTRAINTS,
    SOLVERS,
    first_converged,
    solver_chain,
    warn_unless_converged,
)
from pyg_basis.eigen.result import Eigenpairs
from pyg_basis.eigen.symmetric_operator import SymmetricOperator
from pyg_basis.graph import Laplacian
from pyg_basis.graph._sparse import csr_tensor, to_scipy_csr

# More eigenpairs cannot be computed in reasonable time.
MOST_PAIRS = 2**16
# Components up to this size are decomposed as dense matrices, those of equal size in
# one call: a graph or a batch may have hundreds of them.
DENSE_UP_TO = 128
# Maximum number of entries of the dense matrices of one call: some hundred megabytes.
MOST_ENTRIES = 2**23
# Eigenvalues with a smaller difference, relative to the norm, count as equal.
EQUAL = 1e-10
# Numbers of additional pairs for larger components, tried until all copies of the last
# wanted eigenvalue are found.
BEYOND = (1, 8, 64)
# Maximum tangent of the mixing angle of vectors of different eigenvalues.
LARGEST_MIXTURE = 0.01


@dataclass(frozen=True)
class ComponentEigenpairs:
    r"""The smallest eigenpairs of every connected component.

    Args:
        values (Tensor): The eigenvalues of each node's component, ascending, padded
            with 0, shape :obj:`[n, k]`.
        vectors (Tensor): The vectors, of unit norm within each component, padded with
            0, shape :obj:`[n, k]`.
        size (Tensor): The number of nodes of each node's component, shape :obj:`[n]`.
    """

    values: Tensor
    vectors: Tensor
    size: Tensor


@torch.no_grad()
def component_eigenpairs(
    laplacian: Laplacian, k: int, tol: float = 1e-6, seed: int = 0
) -> ComponentEigenpairs:
    r"""The :obj:`k` smallest eigenpairs of every connected component separately.

    The first eigenvectors of a graph of many components only separate them. Here each
    component is a graph of its own, so that the result at a node does not depend on
    other components, nor on other graphs of a batch.

    The basis of a multiple eigenvalue, whose copies differ by less than :obj:`1e-10` of
    the norm, is determined by the eigenspace and the order of the nodes. In components
    of more than 128 nodes this holds for up to 64 copies beyond the last wanted one.
    The trivial vector always comes first.

    Args:
        laplacian (Laplacian): The Laplacian of the whole graph, :obj:`[n, n]`.
        k (int): The number of eigenpairs per component, including the trivial one.
        tol (float): See :func:`eigenpairs`. If it leaves vectors of different
            eigenvalues mixed, the solver continues. (default: :obj:`1e-6`)
        seed (int): See :func:`eigenpairs`. (default: :obj:`0`)

    Returns:
        ComponentEigenpairs: Values and vectors, one row per node.

    Raises:
        ValueError: If :obj:`laplacian` is not a Laplacian, :obj:`k` is not in 1 to
            65,536, :obj:`tol` is not positive, or :obj:`seed` is negative.

    Warns:
        RuntimeWarning: If no solver reached :obj:`tol`, or eigenvalues are so close
            that vectors are still mixed.
    """
    constraints = {"laplacian": [Laplacian], "k": [between(1, MOST_PAIRS)]}
    check_arguments(
        constraints | CONSTRAINTS,
        "component_eigenpairs",
        laplacian=laplacian,
        k=k,
        tol=tol,
        seed=seed,
    )
    k, tol, seed, degree = int(k), float(tol), int(seed), laplacian.degree
    values, vectors = degree.new_zeros(2, laplacian.num_nodes, k).unbind()
    components = _Components(laplacian.to(degree.double()))
    with without_autocast(degree.device):
        for nodes in components.nodes_by_size():
            width = min(k, nodes.size(1))
            if nodes.size(1) <= DENSE_UP_TO:
                found = components.dense_eigenpairs(nodes, width)
            else:
                found = components.sparse_eigenpairs(nodes, width, tol, seed)
            values[nodes, :width] = found[0].unsqueeze(1).clamp(min=0).to(values)
            vectors[nodes, :width] = found[1].to(vectors)
    size = torch.from_numpy(components.sizes[components.component])
    return ComponentEigenpairs(values, vectors, size.to(degree.device))


class _Components:
    r"""The connected components of a graph, as blocks of the symmetric form of its
    Laplacian in double precision."""

    def __init__(self, laplacian: Laplacian) -> None:
        self.laplacian = laplacian
        self.matrix = to_scipy_csr(laplacian.symmetric())
        root = laplacian.root_degree.cpu()
        self.trivial = torch.ones_like(root) if laplacian.kind == "comb" else root
        self.component = laplacian.components
        self.sizes = np.bincount(self.component)
        # Nodes grouped by component, each group in the order of the graph.
        self.order = np.argsort(self.component, kind="stable")
        self.starts = np.cumsum(self.sizes) - self.sizes

    def nodes_by_size(self) -> Iterator[Tensor]:
        r"""Yields the nodes of components of equal size, :obj:`[components, size]`, in
        portions for one decomposition call each."""
        for size in np.unique(self.sizes):
            starts = self.starts[self.sizes == size]
            is_dense = size <= DENSE_UP_TO
            at_once = max(MOST_ENTRIES // size**2, 1) if is_dense else 1
            for first in range(0, len(starts), at_once):
                some = starts[first : first + at_once, None]
                yield torch.from_numpy(self.order[some + np.arange(size)])

    def dense_eigenpairs(self, nodes: Tensor, k: int) -> tuple[Tensor, Tensor]:
        r"""Returns the eigenvalues :obj:`[components, k]` of components of equal size,
        and their vectors :obj:`[components, size, k]`."""
        count, size = nodes.shape
        # Component and row of each of these nodes.
        place = np.full(len(self.component), -1)
        place[nodes.numpy().ravel()] = np.arange(count * size)
        entries = self.matrix[nodes.numpy().ravel()].tocoo()
        block = np.zeros((count * size, size))
        block[entries.row, place[entries.col] % size] = entries.data
        dense = torch.from_numpy(block.reshape(count, size, size))
        values, vectors = torch.linalg.eigh((dense + dense.mT) / 2)
        return self._finished(nodes, values, vectors, values[:, -1:], k)

    def sparse_eigenpairs(
        self, nodes: Tensor, k: int, tol: float, seed: int
    ) -> tuple[Tensor, Tensor]:
        r"""Returns those of one component, :obj:`[1, size]`, by :func:`eigenpairs`."""
        whole, index = self.laplacian, nodes[0].numpy()
        part = self.matrix[index][:, index]
        part.sort_indices()
        crow, column = torch.from_numpy(part.indptr), torch.from_numpy(part.indices)
        matrix = csr_tensor(crow, column, torch.from_numpy(part.data), len(index))
        kind, degree = whole.kind, whole.degree[nodes[0]]
        kind = "sym" if kind == "rw" else kind
        operator = SymmetricOperator.of(Laplacian(matrix.to(degree), kind, degree))
        for beyond in BEYOND:
            width = min(k + beyond, len(index))
            pairs = _unmixed_eigenpairs(operator, width, tol, seed)
            is_whole = bool((pairs.values[k - 1 :].diff() > EQUAL).any())
            if is_whole or width == len(index):
                break
        values, vectors = pairs.values[None].cpu(), pairs.vectors[None].cpu()
        values, vectors = self._finished(nodes, values, vectors, 1.0, k)
        return operator.unscaled(values), vectors

    def _finished(
        self,
        nodes: Tensor,
        values: Tensor,
        vectors: Tensor,
        norm: Tensor | float,
        k: int,
    ) -> tuple[Tensor, Tensor]:
        trivial = self.trivial[nodes]
        is_new = torch.ones_like(values, dtype=torch.bool)
        is_new[:, 1:] = values.diff() > EQUAL * norm
        vectors = canonical_basis(vectors, is_new, trivial, k)
        if self.laplacian.kind == "rw":
            vectors = vectors / trivial.unsqueeze(2)
        vectors = vectors / vectors.norm(dim=1, keepdim=True)
        return values[:, :k], normalize_signs(vectors)


def _unmixed_eigenpairs(
    operator: SymmetricOperator, k: int, tol: float, seed: int
) -> Eigenpairs:
    r"""Returns eigenpairs with residuals small enough to separate vectors of different
    eigenvalues, if the solver can reach that.

    The error of the eigenvalues in a Rayleigh-Ritz step is the squared residual over
    the gap to those outside the block. Vectors whose eigenvalues differ by less are
    mixed with each other, and with those outside if the residual exceeds that gap.
    """
    pairs = first_converged(operator, k, solver_chain("auto", operator, k), tol, seed)
    warn_unless_converged(pairs, tol)
    residual = needed = 0.0
    for _ in range(3):
        residual, last = float(pairs.residuals.max()), float(pairs.values[-1])
        gaps = pairs.values.diff()
        gap = float(gaps[gaps > EQUAL].min()) if bool((gaps > EQUAL).any()) else last
        needed = (LARGEST_MIXTURE * max(last * gap, EQUAL**2)) ** 0.5
        if residual <= needed or not pairs.converged:
            return pairs
        finer = SOLVERS[pairs.solver].solve(operator, k, needed, seed)
        if not finer.converged:
            break
        pairs = finer
    warn(
        f"eigenvalues of a component of {operator.num_nodes} nodes are so close that "
        f"residuals of {residual:.1e} leave their vectors mixed: pass "
        f"tol={needed / 2:.0e}",
        RuntimeWarning,
    )
    return pairs
