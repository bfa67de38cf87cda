import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pyg_basis.eigen._normalize_signs import normalize_signs
from pyg_basis.eigen.eigenpairs import check_tol, eigenpairs
from pyg_basis.eigen.result import Eigenpairs
from pyg_basis.graph import Laplacian
from pyg_basis.graph._sparse import csr_tensor, to_scipy_csr

# Components up to this size are decomposed as dense matrices, all those of one size in
# one call: a graph, or a batch of graphs, may have hundreds of them.
DENSE_UP_TO = 128
# Entries of the dense matrices of one call: at most some hundred megabytes.
MOST_ENTRIES = 2**23
# Residuals of a larger share of the last eigenvalue leave vectors that are mixtures.
LARGEST_SHARE = 0.1


@dataclass(frozen=True)
class ComponentEigenpairs:
    r"""The smallest eigenvalues of every connected component, and their vectors.

    Args:
        values (Tensor): The eigenvalues of each node's component, ascending, and 0
            where it has fewer, shape :obj:`[n, k]`.
        vectors (Tensor): The vectors, of unit norm within each component, and 0 where
            it has fewer, shape :obj:`[n, k]`.
        size (Tensor): The number of nodes of each node's component, shape :obj:`[n]`.
    """

    values: Tensor
    vectors: Tensor
    size: Tensor


@torch.no_grad()
def component_eigenpairs(
    laplacian: Laplacian, k: int, tol: float = 1e-6, seed: int = 0
) -> ComponentEigenpairs:
    r"""The :obj:`k` smallest eigenpairs of every connected component by itself.

    The first eigenvectors of a graph of many components tell them apart and nothing
    else. Here each is taken as a graph of its own, so that what a node gets does not
    depend on the other components, nor on the graphs beside its own in a batch.

    Args:
        laplacian (Laplacian): The Laplacian of the whole graph, :obj:`[n, n]`.
        k (int): The number of eigenpairs of each component, the trivial one included.
        tol (float): See :func:`eigenpairs`. (default: :obj:`1e-6`)
        seed (int): See :func:`eigenpairs`. (default: :obj:`0`)

    Returns:
        ComponentEigenpairs: Values and vectors, a row for each node.

    Raises:
        ValueError: If :obj:`k` is below 1, or :obj:`tol` is not positive.

    Warns:
        RuntimeWarning: If no solver reached :obj:`tol`, or eigenvalues are so small
            that :obj:`tol` does not tell their vectors apart.
    """
    if k < 1:
        raise ValueError(f"k={k} must be at least 1: the number of eigenpairs")
    check_tol(tol)
    groups = _Components(laplacian)
    values, vectors = laplacian.degree.new_zeros(2, laplacian.num_nodes, k).unbind()
    for nodes in groups.nodes_by_size():
        width = min(k, nodes.shape[1])
        if nodes.shape[1] <= DENSE_UP_TO:
            found_values, found = groups.dense_eigenpairs(nodes)
            values[nodes, :width] = found_values[:, None, :width].to(values)
            vectors[nodes, :width] = found[:, :, :width].to(vectors)
            continue
        for part in nodes:
            pairs = _of_one_component(groups.laplacian_of(part), width, tol, seed)
            values[part, :width] = pairs.values
            vectors[part, :width] = pairs.vectors
    size = torch.from_numpy(groups.sizes[groups.component])
    return ComponentEigenpairs(values, vectors, size.to(values.device))


def _of_one_component(
    laplacian: Laplacian, k: int, tol: float, seed: int
) -> Eigenpairs:
    pairs = eigenpairs(laplacian, k, tol=tol, seed=seed)
    last = float(pairs.values[-1])
    residual = float(pairs.residuals.max()) * laplacian.norm_bound
    if k > 1 and pairs.converged and residual > LARGEST_SHARE * last:
        warnings.warn(
            f"eigenvalue {k} of a component of {laplacian.num_nodes} nodes is "
            f"{last:.1e}, and tol={tol:.1e} leaves residuals of {residual:.1e}: the "
            f"vectors may be mixtures of each other and of later ones, so pass a "
            f"smaller tol",
            RuntimeWarning,
            stacklevel=4,  # behind the decorator of component_eigenpairs
        )
    return pairs


class _Components:
    r"""The connected components of a graph, cut out of its Laplacian."""

    def __init__(self, laplacian: Laplacian) -> None:
        self.laplacian = laplacian
        self.matrix = to_scipy_csr(laplacian.matrix)
        self.component = laplacian.components
        self.sizes = np.bincount(self.component)
        # Nodes of one component after the other, each in the order of the graph.
        self.order = np.argsort(self.component, kind="stable")
        self.starts = np.cumsum(self.sizes) - self.sizes

    def nodes_by_size(self) -> Iterator[Tensor]:
        r"""The nodes of components of one size, :obj:`[components, size]`: of as many
        of them as one call decomposes."""
        for size in np.unique(self.sizes):
            starts = self.starts[self.sizes == size]
            at_once = max(MOST_ENTRIES // size**2, 1)
            for first in range(0, len(starts), at_once):
                some = starts[first : first + at_once, None]
                yield torch.from_numpy(self.order[some + np.arange(size)])

    def laplacian_of(self, nodes: Tensor) -> Laplacian:
        r"""The Laplacian of one component; none of its nodes has neighbors outside."""
        whole = self.laplacian
        if len(nodes) == whole.num_nodes:
            return whole
        part = self.matrix[nodes.numpy()][:, nodes.numpy()]
        part.sort_indices()
        crow, column = torch.from_numpy(part.indptr), torch.from_numpy(part.indices)
        matrix = csr_tensor(crow, column, torch.from_numpy(part.data), len(nodes))
        degree = whole.degree[nodes]
        return Laplacian(matrix.to(degree.device), whole.kind, degree)

    def dense_eigenpairs(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        r"""All eigenvalues :obj:`[components, size]` of components of one size, and
        their vectors :obj:`[components, size, size]`, in double precision."""
        count, size = nodes.shape
        # The place of each node of these: which component, and which row of it.
        place = np.full(len(self.component), -1)
        place[nodes.numpy().ravel()] = np.arange(count * size)
        entries = self.matrix[nodes.numpy().ravel()].tocoo()
        block = np.zeros((count * size, size))
        block[entries.row, place[entries.col] % size] = entries.data
        dense = torch.from_numpy(block.reshape(count, size, size))
        if self.laplacian.kind == "rw":
            degree = self.laplacian.degree.cpu().double()[nodes]
            root = torch.where(degree > 0, degree, 1.0).sqrt().unsqueeze(2)
            dense = root * dense / root.mT
        values, vectors = torch.linalg.eigh((dense + dense.mT) / 2)
        if self.laplacian.kind == "rw":
            vectors = vectors / root
        vectors = vectors / vectors.norm(dim=1, keepdim=True)
        return values.clamp(min=0), normalize_signs(vectors)
