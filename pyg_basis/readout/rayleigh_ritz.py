from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_basis._ranks import Ranks
from pyg_basis.eigen.rayleigh_ritz import ritz_of_moments
from pyg_basis.graph import Laplacian
from pyg_basis.graph._sparse import to_scipy_csr

# Directions with less variance, relative to the largest, are omitted: they consist of
# rounding errors, and the noise of single nodes.
LEAST_VARIANCE = 3e-6
# Minimum number of nodes of all graphs per direction, so that the vectors do not follow
# the noise of the graphs.
NODES_PER_DIRECTION = 8
# Maximum number of rows that determine the directions.
NUM_ROWS = 4096
# Maximum number of directions, as eigenproblems have cubic cost. More features are
# first mixed at random to this number (the range finder of Halko, Martinsson and Tropp
# 2011).
MOST_DIRECTIONS = 1024
# Maximum number of single precision values in memory, a gigabyte.
MOST_ELEMENTS = 1 << 28
# Columns per product with a graph, to bound memory, and columns per thread, which stay
# in its cache.
BLOCK_COLUMNS = 256
THREAD_COLUMNS = 32
# Rows per pass of the network: enough for efficient matrix products, few enough for the
# results to stay in the cache.
BLOCK_ROWS = 1024
# Steps of subspace iteration before eigenvalues are computed. They have few columns, so
# they are cheap.
NUM_STEPS = 4
# Directions with a smaller share of the largest moment are rounding.
NEGLIGIBLE = 1e-10


class RitzVectors(NamedTuple):
    r"""Approximate Laplacian eigenvectors as affine functions of features,
    :math:`h \, C + c`.

    Args:
        values (Tensor): Ritz values, ascending, float64, :obj:`[k]`; if the eigenvalues
            of the graph are known, these, and some more.
        weight (Tensor): :math:`C`, float64, :obj:`[h, k]`.
        bias (Tensor): :math:`c`, float64, :obj:`[k]`.
    """

    values: Tensor
    weight: Tensor
    bias: Tensor

    def rows(self, features: Tensor) -> Tensor:
        r"""Returns the vectors' rows :obj:`[n, k]` at nodes with these features
        :obj:`[n, h]`."""
        return features @ self.weight.to(features) + self.bias.to(features)


class Moments(NamedTuple):
    r"""The mean moments of several graphs, to which later graphs can be added.

    Args:
        mean (Tensor): Mean of the features, :obj:`[h]`.
        directions (Tensor): Orthogonal directions of variation of the features, scaled
            to variance 1, :obj:`[h, r]`.
        stiffness (Tensor), mass (Tensor): :math:`H^\top L H` and
            :math:`H^\top D H` for the features in these directions, and a constant,
            :obj:`[r + 1, r + 1]`.
        num_nodes (Tensor): Number of nodes of the graphs, :obj:`[]`.
    """

    mean: Tensor
    directions: Tensor
    stiffness: Tensor
    mass: Tensor
    num_nodes: Tensor

    def changed(self, mean: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        r"""Returns stiffness and mass for other directions :obj:`[h, p]`. Directions in
        which the features did not vary have zero moments."""
        size = directions.size(1)
        change = directions.new_zeros(len(self.mass), size + 1)
        change[:-1, :size] = self.inverse() @ directions
        change[-1, :size] = (self.mean - mean) @ directions
        change[-1, -1] = 1
        return change.T @ self.stiffness @ change, change.T @ self.mass @ change

    def inverse(self) -> Tensor:
        r"""Returns the map :math:`B` from values in the directions to features,
        :obj:`[r, h]`; :math:`B^\top B` is the covariance of the features."""
        return (self.directions / self.directions.square().sum(dim=0)).T


class RayleighRitz:
    r"""The Laplacian eigenvectors in the span of features, from moments that are summed
    over graphs (the Rayleigh-Ritz method: Saad, `"Numerical Methods for Large
    Eigenvalue Problems" <https://doi.org/10.1137/1.9781611970739>`_, 2011,
    Section 4.3).

    With :math:`H` the features of a graph's nodes and a constant column, and
    :math:`L = D - W`, the random-walk eigenvectors in the span of :math:`H` are
    :math:`H c` with

    .. math::
        H^\top L H \, c = \lambda \, H^\top D H \, c.

    For the other Laplacians, the identity replaces :math:`D`. Both moments, divided by
    the graph's volume :math:`\sum_i d_i`, are averaged over the graphs of several
    samples, which reduces their noise.

    Args:
        features (callable): Returns the features :obj:`[n, h]` of nodes
            :obj:`x [n, d]`.
        x (Tensor): A sample of nodes, :obj:`[n, d]`. The search directions are those in
            which their features vary.
        num_nodes (int): Total number of nodes of the graphs to add. At most one
            direction per eight nodes is searched, or four per vector; only nodes of
            graphs added so far count.
        num_vectors (int): Number of vectors to compute.
        generator (torch.Generator): Source of the random mixture of many features.
        earlier (Moments, optional): Moments of earlier graphs of the same features, to
            which the new ones are added. (default: :obj:`None`)
        share (float, optional): Weight of the earlier ones in the mean of all; with 0,
            only the new graphs count. (default: :obj:`0.0`)
        ranks (Ranks, optional): Processes that each add their own graphs to the same
            moments, in step. (default: this process only)
    """

    @torch.no_grad()
    def __init__(
        self,
        features: Callable[[Tensor], Tensor],
        x: Tensor,
        num_nodes: int,
        num_vectors: int,
        generator: torch.Generator,
        earlier: Moments | None = None,
        share: float = 0.0,
        ranks: Ranks | None = None,
    ) -> None:
        self.features = features
        self.share = share
        self.ranks = ranks or Ranks()
        self.num_vectors = num_vectors
        drawn_rows = torch.randperm(len(x), generator=generator)[:NUM_ROWS]
        self.x = x[drawn_rows.to(x.device)]
        rows = features(self.x)
        mean = rows.mean(dim=0)
        # The rounding of a constant feature is not a direction.
        rounding = 10 * torch.finfo(rows.dtype).eps * float(mean.norm())
        rows = rows - mean
        if earlier is not None:
            mean, rows = _joined(mean, rows, earlier, share)
        width = rows.size(1)
        mixture = torch.eye(width, dtype=rows.dtype, device=rows.device)
        if width > MOST_DIRECTIONS:
            shape = width, MOST_DIRECTIONS
            drawn = torch.randn(shape, generator=generator).to(rows)
            # One power iteration aligns the mixture with the leading directions.
            mixture = torch.linalg.qr(rows.T @ (rows @ drawn)).Q
        mixture, mixed = mixture.double(), (rows @ mixture).double()
        variance, turn = torch.linalg.eigh(mixed.T @ mixed / len(mixed))
        held_nodes = -(-num_nodes // self.ranks.size)
        most = min(
            self._allowed(num_nodes), max(MOST_ELEMENTS // held_nodes, num_vectors)
        )
        least = (LEAST_VARIANCE * variance[-1]).clamp(min=max(rounding**2, 1e-300))
        is_kept = variance > least
        is_kept[: max(len(variance) - most, 0)] = False
        # Whitened, so that all directions have equal weight in what follows. Those of
        # largest variance are last.
        directions = mixture @ (turn[:, is_kept] * variance[is_kept].rsqrt())
        # Machines may round differently.
        same = self.ranks.first(lambda: (mean.double(), directions))
        self.mean, self.directions = (part.to(mixed) for part in same)
        self.size = size = self.directions.size(1) + 1
        self.stiffness = mixed.new_zeros(size, size)
        self.mass = mixed.new_zeros(size, size)
        self._earlier: tuple[Tensor, Tensor] | None = None
        self._num_earlier = 0
        if earlier is not None:
            self._earlier = earlier.changed(self.mean, self.directions)
            self._num_earlier = int(earlier.num_nodes)
        # Totals of all ranks.
        self.num_graphs, self.num_nodes = 0, self._num_earlier
        # Graphs of this rank, stored for the eigenvalues.
        self.graphs: list[tuple[Tensor, Laplacian]] = []
        self.has_constant = True
        # Numbers of graphs and nodes, and the solution, at the last convergence check.
        self._before: tuple[int, int, Tensor] | None = None
        # Cached, as it is used several times between two graphs.
        self._solution: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def add(self, x: Tensor | Iterable[Tensor], laplacian: Laplacian) -> None:
        r"""Adds the moments of a graph. With several ranks, each adds one at the same
        time, possibly without nodes.

        Args:
            x (Tensor or iterable of Tensor): Its nodes :obj:`[n, d]`, or blocks of
                these rows.
            laplacian (Laplacian): Its Laplacian :obj:`[n, n]`, of the same kind in all
                graphs.
        """
        blocks = x.split(BLOCK_ROWS) if isinstance(x, Tensor) else x
        projected = torch.cat([self.columns(block) for block in blocks])
        rows = projected.double()
        weighted = rows * _weight(laplacian).to(rows)
        product = _product(laplacian.matrix.to(rows))
        stiffness = torch.cat(
            [weighted.T @ product(block) for block in rows.split(BLOCK_COLUMNS, dim=1)],
            dim=1,
        )
        self.stiffness += self.ranks.sum(stiffness)
        self.mass += self.ranks.sum(weighted.T @ rows)
        num_nodes = self.ranks.gather(laplacian.num_nodes)
        self.num_graphs += sum(number > 0 for number in num_nodes)
        self.num_nodes += sum(num_nodes)
        if laplacian.num_nodes > 0:
            self.graphs.append((projected, laplacian))
        self.has_constant = laplacian.kind != "sym"
        self._solution = None

    def moments(self) -> Moments:
        r"""Returns the mean over all graphs, to add others later."""
        num_nodes = torch.tensor(self.num_nodes)
        return Moments(self.mean, self.directions, *self._means(), num_nodes)

    def solve(self, k: int) -> tuple[Tensor, Tensor]:
        r"""Returns the first :obj:`k` Ritz values, or fewer if there are fewer
        directions, and the vectors as coefficients of the directions and the constant,
        :obj:`[r, k]`.

        They are orthonormal in the mean over the graphs, weighted by degrees for the
        random walk. If the constant is an eigenvector, it comes first, and the others
        are orthogonal to it, also for a disconnected graph.
        """
        if self._solution is None:
            found = self.ranks.first(self._solve)
            self._solution = found[0].to(self.mass), found[1].to(self.mass)
        values, coefficients = self._solution
        return values[:k].clone(), coefficients[:, :k].clone()

    def eigenvalues(self, coefficients: Tensor) -> Tensor:
        r"""Returns the graphs' eigenvalues for a solution's vectors, ascending,
        :obj:`[k]`.

        Ritz values are upper bounds, and their relative error is large for small
        eigenvalues: a vector that lacks a share :math:`\epsilon` of an eigenvector
        contains as much of those with large eigenvalues. A few steps of subspace
        iteration damp these (Saad, Section 5.1), which is possible on a graph but not
        at new points. The resulting moments are averaged over the graphs like the
        others.
        """
        size = coefficients.size(1)
        stiffness, mass = coefficients.new_zeros(2, size, size)
        for projected, laplacian in self.graphs:
            rows = projected.to(coefficients) @ coefficients
            product = _product(laplacian.matrix.to(rows))
            for _ in range(NUM_STEPS):
                rows = rows - product(rows) / laplacian.norm_bound
            weighted = rows * _weight(laplacian).to(rows)
            stiffness += weighted.T @ product(rows)
            mass += weighted.T @ rows
        stiffness, mass = self.ranks.sum(stiffness), self.ranks.sum(mass)
        if self._earlier is not None:  # whose graphs are not stored
            weight = self.share * self.num_graphs / max(1 - self.share, 1e-12)
            stiffness += weight * coefficients.T @ self._earlier[0] @ coefficients
            mass += weight * coefficients.T @ self._earlier[1] @ coefficients
        stiffness = (stiffness + stiffness.T) / 2
        values = ritz_of_moments(stiffness, mass, NEGLIGIBLE)[0].clamp(min=0)
        # Directions that the steps eliminated are at the end of the spectrum.
        bounds = [laplacian.norm_bound for _, laplacian in self.graphs]
        last = max(self.ranks.gather(max(bounds, default=0.0)))
        return torch.cat([values, values.new_full((size - len(values),), last)])

    def columns(self, x: Tensor) -> Tensor:
        r"""Returns the values of the directions and a constant, :obj:`[n, r]`, at nodes
        :obj:`x [n, d]`."""
        features = self.features(x)
        rows = (features - self.mean.to(features)) @ self.directions.to(features)
        return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)

    def is_settled(self, k: int, tolerance: float) -> bool:
        r"""Whether more graphs would change the space of the first :obj:`k` vectors by
        a Grassmann distance of less than :obj:`tolerance * k`.

        The sampling noise decreases as :math:`1 / g` in :math:`g` graphs. The remaining
        noise is estimated by :math:`f / (g - f)` times the distance to the space of
        :math:`f` graphs, at the last check. A solve costs as much as adding some nodes
        per direction, so several small graphs share a check. Returns :obj:`False`
        between checks, and if the last check used fewer directions, or there was none.
        """
        earlier, num_nodes, before = self._before or (0, self._num_earlier, None)
        num_new = self.num_nodes - num_nodes
        if before is not None and num_new < NODES_PER_DIRECTION * self.size:
            return False
        solution = self.solve(k)[1]
        self._before = self.num_graphs, self.num_nodes, solution
        is_wider = self._num_searched(num_nodes) < self._num_searched(self.num_nodes)
        if before is None or is_wider:
            return False
        mass = self._means()[1]
        # The earlier vectors are orthonormal in the mean over earlier graphs only.
        overlap = before.T @ mass @ solution
        gram = before.T @ mass @ before
        distance = solution.size(1) - float(
            (overlap * torch.linalg.solve(gram, overlap)).sum()
        )
        return earlier / (self.num_graphs - earlier) * distance <= tolerance * k

    def vectors(self, values: Tensor, coefficients: Tensor) -> RitzVectors:
        r"""Returns a solution as functions of the features."""
        weight = self.directions @ coefficients[:-1]
        return RitzVectors(values, weight, coefficients[-1] - self.mean @ weight)

    def _allowed(self, num_nodes: int) -> int:
        """Maximum number of search directions for graphs of this many nodes."""
        few = min(4 * self.num_vectors, num_nodes // 2)
        return min(max(num_nodes // NODES_PER_DIRECTION, few), MOST_DIRECTIONS)

    def _num_searched(self, num_nodes: int) -> int:
        """Number of search directions for graphs of this many nodes."""
        return min(self._allowed(num_nodes), self.size - 1)

    def _means(self) -> tuple[Tensor, Tensor]:
        """Mean of both moments over all graphs."""
        stiffness = (self.stiffness + self.stiffness.T) / 2 / self.num_graphs
        mass = self.mass / self.num_graphs
        if self._earlier is None:
            return stiffness, mass
        before, own = self._earlier, 1 - self.share
        stiffness = self.share * (before[0] + before[0].T) / 2 + own * stiffness
        return stiffness, self.share * before[1] + own * mass

    def _solve(self) -> tuple[Tensor, Tensor]:
        """All Ritz pairs of the present moments."""
        stiffness, mass = self._means()
        searched = torch.eye(len(mass), dtype=mass.dtype, device=mass.device)
        searched = searched[:, -1 - self._num_searched(self.num_nodes) :]
        if self.has_constant:
            searched = searched[:, :-1]
            searched[-1] -= mass[-1] @ searched / mass[-1, -1]
        values, coefficients = ritz_of_moments(
            searched.T @ stiffness @ searched, searched.T @ mass @ searched, NEGLIGIBLE
        )
        coefficients = searched @ coefficients
        if self.has_constant:
            constant = torch.zeros_like(mass[:, :1])
            constant[-1] = mass[-1, -1].rsqrt()
            values = torch.cat([values.new_zeros(1), values])
            coefficients = torch.cat([constant, coefficients], dim=1)
        return values.clamp(min=0), coefficients


def _joined(
    mean: Tensor, rows: Tensor, earlier: Moments, share: float
) -> tuple[Tensor, Tensor]:
    """Returns the mean of new and earlier features, and centered rows whose second
    moments are the covariance of both."""
    rows, before = rows.double(), earlier.inverse()
    center = (1 - share) * mean.double() + share * earlier.mean
    apart = (earlier.mean - mean.double()) * (share * (1 - share)) ** 0.5
    parts = [
        rows * ((1 - share) / len(rows)) ** 0.5,
        before * share**0.5,
        apart.unsqueeze(0),
    ]
    joined = torch.cat(parts)
    return center, joined * len(joined) ** 0.5


def _weight(laplacian: Laplacian) -> Tensor:
    """Weights of the nodes in the moments of a graph, [n, 1], of sum 1. For the random
    walk they turn ``D (I - D^-1 W)`` into the symmetric ``D - W``."""
    degree = laplacian.degree.double()
    weight = degree if laplacian.kind == "rw" else torch.ones_like(degree)
    return (weight / weight.sum()).unsqueeze(1)


def _product(matrix: Tensor) -> Callable[[Tensor], Tensor]:
    """Returns a function that multiplies a sparse matrix with columns."""
    if matrix.is_cuda:
        return lambda columns: matrix @ columns
    # SciPy's product releases the GIL.
    array = to_scipy_csr(matrix)

    def product(columns: Tensor) -> Tensor:
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            parts = pool.map(
                lambda part: torch.from_numpy(array @ part.contiguous().numpy()),
                columns.split(THREAD_COLUMNS, dim=1),
            )
            return torch.cat(list(parts), dim=1)

    return product
