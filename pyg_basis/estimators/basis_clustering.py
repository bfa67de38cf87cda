import copy
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin, clone
from sklearn.cluster import KMeans
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from pyg_basis._constraints import StrOptions, at_least, check_arguments
from pyg_basis._ranks import Ranks, failing_together
from pyg_basis._warn import warn
from pyg_basis.eigen import suggest_num_components
from pyg_basis.estimators._checkpoint import read_checkpoint, write_checkpoint
from pyg_basis.estimators._clusters import grown_clusters, kmeans_at, leading_clusters
from pyg_basis.estimators._num_components import later_gap
from pyg_basis.estimators._parameters import EIGENGAP
from pyg_basis.estimators._update import embedded, leading_rows, rows_at
from pyg_basis.estimators.basis import BASiS
from pyg_basis.reference import Movement
from pyg_basis.training_state import Callback

UPDATE_CONSTRAINTS: dict[str, list[Any]] = {
    "n_clusters": [at_least(1), StrOptions({EIGENGAP}), None]
}


class BASiSClustering(ClusterMixin, BaseEstimator):
    r"""Spectral clustering of any number of points, seen or new: k-means in the
    learned embedding of :class:`BASiS`.

    The embedding and the centers are fitted once. The cluster of a point does not
    depend on the other points passed to :meth:`predict`. If the embedding has more
    columns than clusters, only as many as clusters are used, counting the trivial one:
    later columns vary within clusters.

    Args:
        n_clusters (int or str): Number of clusters. :obj:`"eigengap"` chooses it, at
            least 2: the number of eigenvalues before the largest gap, with the trivial
            one, see :func:`~pyg_basis.eigen.suggest_num_components`. A :obj:`basis`
            with a fixed number of components knows five more eigenvalues, which bounds
            the number of clusters. (default: :obj:`8`)
        basis (BASiS, optional): The embedding, of which a copy is fitted. If it has no
            seed, its seed is drawn from :obj:`random_state`. By default
            :obj:`BASiS(n_clusters, reference_size=None, drop_first=False)`, as coarse
            eigenvectors cluster as well or better. (default: :obj:`None`)
        n_init (int): Number of k-means starts; the best is kept. (default: :obj:`10`)
        random_state (int, RandomState or None): Source of all randomness.
            (default: :obj:`None`)

    Attributes:
        basis_ (BASiS): The fitted embedding.
        n_clusters_ (int): Number of clusters.
        kmeans_ (sklearn.cluster.KMeans): The fitted k-means.
        labels_ (numpy.ndarray): Clusters of the fitted points, :obj:`[n]`.
        n_features_in_ (int): Width of the features.
    """

    basis_: BASiS
    kmeans_: KMeans
    labels_: NDArray[np.int32]
    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012
        "n_clusters": [at_least(1), StrOptions({EIGENGAP})],
        "basis": [BASiS, None],
        "n_init": [at_least(1)],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_clusters: int | Literal["eigengap"] = 8,
        *,
        basis: BASiS | None = None,
        n_init: int = 10,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.basis = basis
        self.n_init = n_init
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @failing_together()
    def fit(
        self,
        X: Any,
        y: Any = None,
        adjacency: Any = None,
        sample_weight: ArrayLike | None = None,
        *,
        checkpoint: str | Path | None = None,
        callback: Callback | None = None,
    ) -> "BASiSClustering":
        r"""Learns the embedding of the points :obj:`X [n, d]` and its clusters. All
        arguments are those of :meth:`BASiS.fit`; the :obj:`sample_weight [n]` also
        weights k-means.

        Raises:
            ValueError: If a parameter, the points, the adjacency or the weights are
                invalid.
        """
        ranks = Ranks(in_group=True)
        self._validate_params()
        counts = ranks.gather({"n_clusters": self.n_clusters, "n_init": self.n_init})
        if any(each != counts[0] for each in counts):
            raise ValueError(f"the ranks differ, fit with the same in all: {counts}")
        random_state = check_random_state(self.random_state)
        own = default_basis(self.n_clusters)
        basis = own if self.basis is None else clone(self.basis)
        # Without a seed of its own, a resumed training uses that of its checkpoint.
        if basis.random_state is None and self.random_state is not None:
            basis.set_params(random_state=random_state.randint(2**31 - 1))
        basis.fit(
            X,
            y,
            adjacency,
            sample_weight,
            checkpoint=checkpoint,
            callback=callback,
        )
        embedding = _as_array(basis.transform(X))
        # With several ranks, rank 0 clusters the points of all.
        rows = embedding
        if ranks.size > 1 and int(basis.layer_.num_nodes) != len(embedding):
            rows = np.concatenate(ranks.gather(embedding))
        chosen = self.n_clusters == EIGENGAP
        n_clusters: Any = num_clusters(basis) if chosen else self.n_clusters
        if n_clusters > len(rows):
            raise ValueError(
                f"n_clusters={n_clusters} is above n_samples={len(rows)}: "
                f"ask for fewer clusters, or give more points"
            )
        unfitted = KMeans(n_clusters, n_init=self.n_init, random_state=random_state)
        weight = (
            sample_weight.cpu() if isinstance(sample_weight, Tensor) else sample_weight
        )
        num_leading = num_columns(n_clusters, basis)
        kmeans = ranks.first(
            lambda: leading_clusters(unfitted, rows, num_leading, weight)
        )
        labels = kmeans.labels_
        if rows is not embedding:
            labels = kmeans.predict(embedding.astype(rows.dtype))
        self.basis_, self.kmeans_, self.labels_ = basis, kmeans, labels
        self.n_features_in_ = basis.n_features_in_
        self.__dict__.pop("feature_names_in_", None)
        if hasattr(basis, "feature_names_in_"):
            self.feature_names_in_ = basis.feature_names_in_
        return self

    def update(
        self,
        X: Any,
        n_clusters: int | Literal["eigengap"] | None = None,
        forget_factor: float = 1.0,
    ) -> Movement:
        r"""Also learns new points :obj:`X [n, d]`, see :meth:`BASiS.update`. Existing
        clusters keep their labels. If there are to be more clusters, the new ones get
        new labels.

        Clusters are computed from a proportional sample of earlier and new points.
        :obj:`labels_` then are those of :obj:`X`.

        Args:
            X: New points.
            n_clusters (int or str, optional): New number of clusters, at least the
                present one, or :obj:`"eigengap"`: the number of eigenvalues before the
                largest gap, with the trivial one. By default the number stays, unless
                it was :obj:`"eigengap"` in the fit. (default: :obj:`None`)
            forget_factor (float, optional): See :meth:`BASiS.update`.
                (default: :obj:`1.0`)

        Returns:
            Movement: How far the embedding moved.

        Raises:
            NotFittedError: Before :meth:`fit`.
            ValueError: If :obj:`n_clusters` is below the present number, or the
                embedding cannot be updated. Nothing has changed then.

        Warns:
            UserWarning: If the number stays, the largest gap in the eigenvalues
                followed as many as there are clusters, and now follows a later one.
        """
        check_is_fitted(self)
        known = self.n_clusters_
        check_arguments(UPDATE_CONSTRAINTS, "update", n_clusters=n_clusters)
        num: Any = n_clusters
        if num is None:
            num = EIGENGAP if self.n_clusters == EIGENGAP else known
        if num != EIGENGAP and num < known:
            raise ValueError(
                f"n_clusters={n_clusters} is below the {known} clusters that there "
                f"are, whose labels stay: ask for as many or more, or fit anew"
            )
        basis = copy.copy(self.basis_)
        before = basis._memory
        movement = basis._update(X, forget_factor)
        assert before is not None and basis._memory is not None
        if num == EIGENGAP:
            num = max(suggested_clusters(basis), known)
        elif n_clusters is None:
            self._warn_of_later_gap(basis)
        earlier, points = before.points, basis._memory.points
        centers = torch.from_numpy(self.kmeans_.cluster_centers_)
        num_leading = num_columns(num, basis)
        of_points, of_earlier, of_centers = (
            leading_rows(rows, basis.layer_, movement, num_leading)
            for rows in (
                rows_at(basis.layer_, points),
                rows_at(basis.layer_, earlier),
                centers,
            )
        )
        kmeans = grown_clusters(
            of_points,
            self._rows(basis, points),
            of_earlier,
            self.kmeans_.predict(self._rows(self.basis_, earlier)),
            of_centers,
            num,
            self.n_init,
            basis._memory.seed,
        )
        self.basis_, self.kmeans_ = basis, kmeans
        self.labels_ = self.predict(X)
        return movement

    def _warn_of_later_gap(self, basis: BASiS) -> None:
        first = int(basis.drop_first)
        before, after = self.basis_.eigenvalues_, basis.eigenvalues_
        num = later_gap(before, after, self.n_clusters_ - first, basis.drop_first)
        if num is not None:
            warn(
                f"the largest gap in the eigenvalues, with the trivial one, no longer "
                f"follows number {self.n_clusters_} but {num + first}, as when new "
                f"points form further clusters: to separate them, pass "
                f"n_clusters={num + first} to update"
            )

    def _rows(self, basis: BASiS, points: Tensor) -> NDArray[np.floating[Any]]:
        rows = embedded(basis.layer_, points).cpu().numpy()
        return rows.astype(self.kmeans_.cluster_centers_.dtype)

    @property
    def n_clusters_(self) -> int:
        """Number of clusters."""
        check_is_fitted(self)
        return len(self.kmeans_.cluster_centers_)

    def predict(self, X: Any) -> NDArray[np.int32]:
        r"""Returns the clusters :obj:`[n]` of the points :obj:`X [n, d]`, seen or new.

        Raises:
            NotFittedError: Before :meth:`fit`.
            ValueError: If the points have another width, or are not finite.
        """
        check_is_fitted(self)
        embedding = _as_array(self.basis_.transform(X))
        return self.kmeans_.predict(
            embedding.astype(self.kmeans_.cluster_centers_.dtype)
        )

    def predict_proba(self, X: Any) -> NDArray[np.floating[Any]]:
        r"""Returns the cluster memberships :obj:`[n, n_clusters_]` of the points
        :obj:`X [n, d]`:

        .. math::
            u_{ij} = \frac{d_{ij}^{-2}}{\sum_l d_{il}^{-2}},

        with the distances :math:`d_{ij}` to the centers, as in fuzzy c-means with
        exponent 2 (Bezdek, `"Pattern Recognition with Fuzzy Objective Function
        Algorithms" <https://doi.org/10.1007/978-1-4757-0450-1>`_, 1981). Each row sums
        to 1 and is largest at the cluster of :meth:`predict`. Where clusters overlap,
        memberships are close to the share of correct points; Gaussian mixtures in an
        embedding are overconfident.

        Raises:
            NotFittedError: Before :meth:`fit`.
            ValueError: If the points have another width, or are not finite.
        """
        check_is_fitted(self)
        embedding = _as_array(self.basis_.transform(X)).astype(np.float64)
        centers = self.kmeans_.cluster_centers_.astype(np.float64)
        # One center at a time: the bits of a row do not depend on other rows.
        distances = [np.linalg.norm(embedding - center, axis=1) for center in centers]
        distance = np.stack(distances, axis=1)
        nearest = distance.min(axis=1, keepdims=True)
        ratio = np.divide(
            nearest, distance, out=np.ones_like(distance), where=distance > 0
        )
        return ratio**2 / np.sum(ratio**2, axis=1, keepdims=True)

    def save(self, path: str | Path) -> None:
        r"""Saves the fitted embedding and cluster centers to a file, for :meth:`load`.
        :meth:`BASiS.load` reads the embedding alone.

        Raises:
            NotFittedError: Before :meth:`fit`.
            ValueError: As for :meth:`BASiS.save`.
        """
        check_is_fitted(self)
        self._validate_params()
        clusters = self.get_params(deep=False)
        if self.basis is not None:  # the fitted one may have another seed
            clusters["basis"] = {"random_state": self.basis.random_state}
        clusters["centers"] = torch.from_numpy(self.kmeans_.cluster_centers_)
        write_checkpoint(self.basis_, path, clusters)

    @classmethod
    def load(
        cls, path: str | Path, network: nn.Module | None = None
    ) -> "BASiSClustering":
        r"""Loads what :meth:`save` wrote: everything but the labels of the fitted
        points. No code from the file is run.

        Raises:
            ValueError: If the file is not such a checkpoint, has no clusters, or has a
                version that this one cannot read.
        """
        basis, clusters = read_checkpoint(BASiS, path, network)
        if clusters is None:
            raise ValueError(
                f"path={str(path)!r} holds an embedding without clusters: read it with "
                f"BASiS.load, or fit a BASiSClustering"
            )
        return restored_clustering(basis, clusters)


def default_basis(n_clusters: int | Literal["eigengap"]) -> BASiS:
    """The default embedding."""
    return BASiS(n_clusters, reference_size=None, drop_first=False)


def num_clusters(basis: BASiS) -> int:
    """Number of eigenvalues before the largest gap, with the trivial one."""
    if basis.n_components == EIGENGAP:
        return basis.n_components_ + int(basis.drop_first)
    return suggested_clusters(basis)


def suggested_clusters(basis: BASiS) -> int:
    """The same of the eigenvalues that are known, five beyond the components."""
    num = suggest_num_components(basis.eigenvalues_, basis.drop_first, 1)[0]
    return num + int(basis.drop_first)


def num_columns(n_clusters: int, basis: BASiS) -> int:
    """Number of columns of an embedding that are used for clustering."""
    return max(n_clusters - int(basis.drop_first), 1)


def fitted_clustering(fitted: BASiS, kmeans: KMeans, **params: Any) -> BASiSClustering:
    """Builds a clustering from a fitted embedding, its clusters, and the parameters."""
    clustering = BASiSClustering(**params)
    clustering._validate_params()
    clustering.basis_, clustering.kmeans_ = fitted, kmeans
    clustering.n_features_in_ = fitted.n_features_in_
    if hasattr(fitted, "feature_names_in_"):
        clustering.feature_names_in_ = fitted.feature_names_in_
    return clustering


def restored_clustering(basis: BASiS, clusters: dict[str, Any]) -> BASiSClustering:
    """Builds a clustering from what a file holds, see :func:`read_checkpoint`."""
    kmeans = kmeans_at(clusters.pop("centers").numpy())
    if clusters["basis"] is not None:
        clusters["basis"] = clone(basis).set_params(**clusters["basis"])
    return fitted_clustering(basis, kmeans, **clusters)


def _as_array(embedding: Any) -> NDArray[np.floating[Any]]:
    return embedding.cpu().numpy() if isinstance(embedding, Tensor) else embedding
