from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from pyg_basis.eigen import eigenpairs
from pyg_basis.graph import Laplacian, affinity, knn_graph, laplacian
from pyg_basis.graph.affinity import check_bandwidth

# Eigenvalues below, relative to the largest degree for "comb", count as zero:
# one for every connected component.
ZERO_EIGENVALUE = 1e-6


@dataclass(frozen=True)
class SpectralRows:
    r"""The spectral embedding of a set of points.

    Args:
        vectors (Tensor): Laplacian eigenvectors, mean square 1 per column,
            :obj:`[m, K]`.
        values (Tensor): Eigenvalues of the Laplacian, ascending, :obj:`[K]`.
        all_values (Tensor): Those, with the trivial one if it was left out, and those
            beyond that were asked for.
        degree (Tensor): Weighted degrees of the graph, :obj:`[m]`.
        num_components (int): Number of connected components of the graph, as
            far as the eigenvalues show them: one more at least is computed than there
            are vectors, and more than that are not told apart. Of batches on the
            host, all are counted on the graph.
        converged (bool): Whether the eigensolver reached its tolerance.

    The last two are tensors :obj:`[]` for batches embedded on an accelerator.
    """

    vectors: Tensor
    values: Tensor
    all_values: Tensor
    degree: Tensor
    num_components: int | Tensor
    converged: bool | Tensor


@dataclass(frozen=True)
class ExactEmbedding:
    r"""Embeds a set of points by the exact Laplacian eigenvectors of its own
    nearest-neighbour graph: :math:`x \to` kNN :math:`\to` affinity
    :math:`\to` Laplacian :math:`\to` eigenvectors (Eq. 1-4 of `BASiS
    <https://arxiv.org/abs/2211.16960>`_).

    It makes the reference set, every batch, and the exact embedding of a whole
    set that BASiS is measured against.

    Args:
        num_eigenvectors (int): Number of columns :math:`K`.
        num_neighbors (int, optional): Neighbours of a node. (default: :obj:`50`)
        bandwidth (str or float, optional): Bandwidth of the affinity, see
            :func:`~pyg_basis.graph.affinity`. (default: :obj:`"self_tuning"`)
        laplacian (str, optional): :obj:`"sym"`, :obj:`"rw"` or :obj:`"comb"`.
            (default: :obj:`"sym"`)
        drop_trivial (bool, optional): Leave out the trivial eigenvector (of
            eigenvalue 0; constant, or the square root of the degree for
            :obj:`"sym"`). (default: :obj:`False`)
        solver (str, optional): The eigensolver, see
            :func:`~pyg_basis.eigen.eigenpairs`. (default: :obj:`"auto"`)
    """

    num_eigenvectors: int
    num_neighbors: int = 50
    bandwidth: Literal["self_tuning", "global"] | float = "self_tuning"
    laplacian: Literal["sym", "rw", "comb"] = "sym"
    drop_trivial: bool = False
    solver: str = "auto"

    def __post_init__(self) -> None:
        if self.num_eigenvectors < 1:
            raise ValueError(
                f"num_eigenvectors={self.num_eigenvectors} must be at least 1: the "
                f"number of columns of the embedding"
            )
        if self.num_neighbors < 1:
            raise ValueError(
                f"num_neighbors={self.num_neighbors} must be at least 1: the default "
                f"is 50"
            )
        check_bandwidth(self.bandwidth)
        if self.laplacian not in ("sym", "rw", "comb"):
            raise ValueError(
                f"laplacian={self.laplacian!r} is unknown: use 'sym', 'rw' or 'comb'"
            )

    @property
    def num_pairs(self) -> int:
        r"""Number of eigenpairs that are needed, the trivial one included."""
        return self.num_eigenvectors + int(self.drop_trivial)

    def widened(self, num_columns: int) -> "ExactEmbedding":
        r"""The same with more columns."""
        return replace(self, num_eigenvectors=self.num_eigenvectors + num_columns)

    @property
    def num_constant(self) -> int:
        r"""Number of columns that are the same in every embedding and need no
        alignment. By itself, the constant column is left to the shift of an affine
        map."""
        is_constant = self.laplacian != "sym" and not self.drop_trivial
        return int(is_constant and self.num_eigenvectors > 1)

    def check_num_anchors(
        self, num_anchors: int, num_nodes: int, num_oversamples: int = 0
    ) -> None:
        r"""Raises a :class:`ValueError` unless so many anchors fix an affine map to
        another embedding, of these columns and some more, and leave other nodes."""
        if num_anchors >= num_nodes:
            raise ValueError(
                f"num_anchors={num_anchors} leaves no other node in a set of "
                f"{num_nodes}: use fewer anchors, or a larger reference_size or batch"
            )
        num_mapped = self.num_eigenvectors + num_oversamples - self.num_constant
        if num_anchors < num_mapped + 1:
            raise ValueError(
                f"num_anchors={num_anchors} cannot fix an affine map of {num_mapped} "
                f"columns: use at least {num_mapped + 1}, better ten times as many, or "
                f"fewer eigenvectors"
            )

    def check_num_nodes(self, num_nodes: int) -> None:
        r"""Raises a :class:`ValueError` unless a graph of so many nodes gives the
        neighbours and eigenvectors asked for."""
        if num_nodes <= self.num_pairs:
            raise ValueError(
                f"num_eigenvectors={self.num_eigenvectors} is above what {num_nodes} "
                f"nodes can give: ask for at most {num_nodes - 1 - self.drop_trivial}, "
                f"or use a larger batch"
            )
        if num_nodes <= self.num_neighbors:
            raise ValueError(
                f"num_neighbors={self.num_neighbors} needs at least "
                f"{self.num_neighbors + 1} nodes, but x has {num_nodes}: use at most "
                f"{num_nodes - 1} neighbors, or a larger batch"
            )

    def __call__(self, x: Tensor) -> SpectralRows:
        r"""Embeds the points :obj:`x [m, d]`.

        Raises:
            ValueError: If features are not finite, or there are too few points
                for :obj:`num_neighbors` or :obj:`num_eigenvectors`.
        """
        return self.rows_of(self.operator(x))

    def rows_of(self, operator: Laplacian, num_beyond: int = 0) -> SpectralRows:
        r"""The embedding of the nodes of a graph by its Laplacian, which is of this
        kind, and up to :obj:`num_beyond` eigenvalues more."""
        last = min(self.num_pairs + num_beyond, operator.num_nodes)
        # The trivial vector comes first, whatever the number of components.
        pairs = eigenpairs(operator, max(last, self.num_pairs + 1), solver=self.solver)
        kept = slice(int(self.drop_trivial), self.num_pairs)
        vectors = pairs.vectors[:, kept]
        scale = operator.degree.max() if self.laplacian == "comb" else 1.0
        return SpectralRows(
            vectors=vectors * (operator.num_nodes**0.5 / vectors.norm(dim=0)),
            values=pairs.values[kept],
            all_values=pairs.values[:last],
            degree=operator.degree,
            num_components=int((pairs.values < ZERO_EIGENVALUE * scale).sum()),
            converged=pairs.converged,
        )

    def operator(self, x: Tensor) -> Laplacian:
        r"""The Laplacian of the graph of the points :obj:`x [m, d]`.

        Raises:
            ValueError: If features are not finite, or there are too few points
                for :obj:`num_neighbors` or :obj:`num_eigenvectors`.
        """
        self.check_num_nodes(x.size(0))
        graph = affinity(knn_graph(x, self.num_neighbors), self.bandwidth)
        return laplacian(graph, self.laplacian)
