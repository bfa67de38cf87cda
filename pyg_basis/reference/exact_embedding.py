from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from pyg_basis._constraints import at_least, check_arguments
from pyg_basis.eigen import eigenpairs
from pyg_basis.eigen.eigenpairs import SOLVER
from pyg_basis.graph import Laplacian, density_normalized, knn_graph
from pyg_basis.graph.affinity import BANDWIDTH, Bandwidth, affinity_weights
from pyg_basis.graph.laplacian import ALPHA, KIND, LaplacianKind
from pyg_basis.reference._points import check_points
from pyg_basis.reference.unit_rows import METRIC, Metric, unit_rows

# Smaller eigenvalues, relative to the norm bound, count as zero: parts of a graph whose
# connection is that weak count as components.
ZERO_EIGENVALUE = 5e-7

CONSTRAINTS: dict[str, list[Any]] = {
    "num_eigenvectors": [at_least(1)],
    "num_neighbors": [at_least(1)],
    "bandwidth": BANDWIDTH,
    "laplacian": KIND,
    "drop_first": ["boolean"],
    "alpha": ALPHA,
    "solver": SOLVER,
    "metric": METRIC,
}


@dataclass(frozen=True)
class SpectralRows:
    r"""The spectral embedding of a set of points.

    Args:
        vectors (Tensor): Laplacian eigenvectors, mean square 1 per column,
            :obj:`[m, K]`.
        values (Tensor): Eigenvalues of the Laplacian, ascending, :obj:`[K]`.
        all_values (Tensor): These eigenvalues, the trivial one even if it was omitted,
            and the further ones requested.
        degree (Tensor): Weighted degrees of the graph, :obj:`[m]`.
        num_components (int): Number of connected components of the graph.
        converged (bool): Whether the eigensolver reached its tolerance.
        fell_back (bool): Whether more than one solver was needed.
    """

    vectors: Tensor
    values: Tensor
    all_values: Tensor
    degree: Tensor
    num_components: int
    converged: bool
    fell_back: bool


@dataclass(frozen=True)
class ExactEmbedding:
    r"""Embeds a set of points by the exact Laplacian eigenvectors of its own
    nearest-neighbor graph.

    The steps are neighbors, affinity, Laplacian and eigenvectors (Eq. 1-4 of `BASiS
    <https://arxiv.org/abs/2211.16960>`_). They embed the reference set, every batch,
    and the whole set when BASiS is evaluated.

    Args:
        num_eigenvectors (int): Number of columns :math:`K`.
        num_neighbors (int, optional): Neighbors per node. (default: :obj:`50`)
        bandwidth (str or float, optional): Bandwidth of the affinity, see
            :func:`~pyg_basis.graph.affinity`. (default: :obj:`"self_tuning"`)
        laplacian (str, optional): :obj:`"rw"`, :obj:`"sym"` or :obj:`"comb"`.
            (default: :obj:`"rw"`)
        drop_first (bool, optional): Omit the trivial eigenvector (of eigenvalue 0;
            constant, or the square root of the degree for :obj:`"sym"`).
            (default: :obj:`True`)
        solver (str, optional): The eigensolver, see
            :func:`~pyg_basis.eigen.eigenpairs`. (default: :obj:`"auto"`)
        alpha (float, optional): Exponent of the density normalization, from 0 to 1, see
            :func:`~pyg_basis.graph.density_normalized`. (default: :obj:`0.0`)
        metric (str, optional): :obj:`"euclidean"`, or :obj:`"cosine"`, which divides
            rows by their norms first, see
            :func:`~pyg_basis.reference.unit_rows.unit_rows`.
            (default: :obj:`"euclidean"`)
    """

    num_eigenvectors: int
    num_neighbors: int = 50
    bandwidth: Bandwidth = "self_tuning"
    laplacian: LaplacianKind = "rw"
    drop_first: bool = True
    solver: str = "auto"
    alpha: float = 0.0
    metric: Metric = "euclidean"

    def __post_init__(self) -> None:
        check_arguments(CONSTRAINTS, type(self).__name__, **vars(self))
        for name in ("num_eigenvectors", "num_neighbors"):
            # Small NumPy integers overflow.
            object.__setattr__(self, name, int(getattr(self, name)))

    @property
    def num_pairs(self) -> int:
        r"""Number of eigenpairs to compute, including the trivial one."""
        return self.num_eigenvectors + int(self.drop_first)

    def widened(self, num_columns: int) -> "ExactEmbedding":
        r"""Returns the same embedding with :obj:`num_columns` more columns."""
        return replace(self, num_eigenvectors=self.num_eigenvectors + num_columns)

    @property
    def has_constant(self) -> bool:
        r"""Whether the trivial eigenvector is constant."""
        return self.laplacian != "sym"

    @property
    def num_constant(self) -> int:
        r"""Number of columns that are equal in every embedding and need no alignment.
        If the constant is the only column, it is left to the shift of the affine map
        and not counted."""
        is_constant = self.has_constant and not self.drop_first
        return int(is_constant and self.num_eigenvectors > 1)

    def check_num_anchors(self, num_anchors: int, num_nodes: int | None = None) -> None:
        r"""Raises a :class:`ValueError` unless the anchors determine an affine map to
        another embedding and leave other nodes of :obj:`num_nodes`."""
        if num_nodes is not None and num_anchors >= num_nodes:
            raise ValueError(
                f"num_anchors={num_anchors} leaves no other node in a set of "
                f"{num_nodes}: use fewer anchors, or a larger reference_size or batch"
            )
        least = self.least_anchors
        if num_anchors < least:
            raise ValueError(
                f"num_anchors={num_anchors} cannot fix an affine map of {least - 1} "
                f"columns: use at least {least}, better ten times as many, or fewer "
                f"eigenvectors"
            )

    @property
    def least_anchors(self) -> int:
        r"""Minimum number of anchors to determine an affine map to another embedding:
        one more than its columns, not counting a constant one among others."""
        return self.num_eigenvectors - self.num_constant + 1

    def check_num_nodes(self, num_nodes: int) -> None:
        r"""Raises a :class:`ValueError` unless a graph of :obj:`num_nodes` nodes has
        enough neighbors and eigenvectors."""
        if num_nodes <= self.num_pairs:
            raise ValueError(
                f"num_eigenvectors={self.num_eigenvectors} is above what {num_nodes} "
                f"nodes can give: ask for at most {num_nodes - 1 - self.drop_first}, "
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
            ValueError: If features are not finite floating-point numbers, there are
                too few points for :obj:`num_neighbors` or :obj:`num_eigenvectors`, or a
                row is zero under :obj:`metric="cosine"`.
        """
        found = self.rows_of(self.operator(x))
        return replace(
            found,
            vectors=found.vectors.to(x.dtype),
            values=found.values.to(x.dtype),
            all_values=found.all_values.to(x.dtype),
            degree=found.degree.to(x.dtype),
        )

    def rows_of(self, operator: Laplacian, num_beyond: int = 0) -> SpectralRows:
        r"""Embeds the nodes of a graph, given its Laplacian of the kind
        :obj:`laplacian`, with up to :obj:`num_beyond` further eigenvalues."""
        last = min(self.num_pairs + num_beyond, operator.num_nodes)
        # The trivial vector comes first for any number of components.
        pairs = eigenpairs(operator, last, solver=self.solver)
        kept = slice(int(self.drop_first), self.num_pairs)
        vectors = pairs.vectors[:, kept]
        zero = ZERO_EIGENVALUE * operator.norm_bound
        num_zero = int((pairs.values < zero).sum())
        return SpectralRows(
            vectors=vectors * (operator.num_nodes**0.5 / vectors.norm(dim=0)),
            values=pairs.values[kept],
            all_values=pairs.values,
            degree=operator.degree,
            num_components=max(num_zero, operator.num_components),
            converged=pairs.converged,
            fell_back=pairs.fell_back,
        )

    def points(self, x: Tensor, num_features: int | None = None) -> Tensor:
        r"""Returns the points :obj:`x [m, d]` as distances use them: divided by their
        norms for :obj:`metric="cosine"`.

        Raises:
            ValueError: If :obj:`x` is not a matrix of real numbers, of
                :obj:`num_features` columns if this is given, or has a row of zeros to
                be divided.
        """
        check_points(x, num_features)
        return unit_rows(x) if self.metric == "cosine" else x

    def operator(self, x: Tensor) -> Laplacian:
        r"""Returns the Laplacian of the graph of the points :obj:`x [m, d]`, in double
        precision.

        Raises:
            ValueError: If features are not finite floating-point numbers, there are
                too few points for :obj:`num_neighbors` or :obj:`num_eigenvectors`, or a
                row is zero under :obj:`metric="cosine"`.
        """
        check_points(x)
        self.check_num_nodes(x.size(0))
        if not x.is_floating_point():
            raise ValueError(
                f"x must be floating point, got {x.dtype}: convert it with x.float()"
            )
        x = self.points(x.detach()).double()
        neighbors = knn_graph(x, self.num_neighbors)
        weights = affinity_weights(neighbors, self.bandwidth)
        weights = density_normalized(weights, self.alpha)
        return Laplacian.of_weights(weights, self.laplacian).to(x)
