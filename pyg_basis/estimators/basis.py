import copy
import sys
from numbers import Real
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from tqdm import tqdm

from pyg_basis._constraints import check_arguments
from pyg_basis._own_generator import is_compiled
from pyg_basis._ranks import Ranks, failing_together
from pyg_basis._warn import warn
from pyg_basis.algorithm import train
from pyg_basis.align import AlignmentMethod
from pyg_basis.data import FeatureSource
from pyg_basis.data.projected_rows import projected, random_projection
from pyg_basis.data.sharded_rows import ShardedRows
from pyg_basis.estimators._agreement import agreed
from pyg_basis.estimators._batch_sizes import BatchSizes
from pyg_basis.estimators._checkpoint import read_checkpoint, write_checkpoint
from pyg_basis.estimators._graph_training import given_edges, graph_training
from pyg_basis.estimators._num_components import chosen_components, later_gap
from pyg_basis.estimators._parameters import (
    CONSTRAINTS,
    EIGENGAP,
    check_diffusion_time,
    check_parameters,
    exact_embedding,
    with_components,
    with_plain_integers,
)
from pyg_basis.estimators._point_training import point_training
from pyg_basis.estimators._portable import exported, write_onnx
from pyg_basis.estimators._quality import (
    captured_shares,
    in_words,
    is_far_from_done,
    quality,
    warn_if_poor,
)
from pyg_basis.estimators._read_out import TrainingReadOut
from pyg_basis.estimators._source import (
    feature_source,
    row_blocks,
    single_precision,
    weighted,
)
from pyg_basis.estimators._training import warn_about_batches
from pyg_basis.estimators._training_checkpoint import (
    TrainingCheckpoint,
    fingerprint,
)
from pyg_basis.estimators._update import Memory, update
from pyg_basis.estimators._whole_read_out import WholeReadOut
from pyg_basis.nn import BASiSLayer
from pyg_basis.reference import Movement
from pyg_basis.reference.choose_anchors import AnchorMethod
from pyg_basis.reference.unit_rows import Metric
from pyg_basis.training_state import Callback, History, TrainingState

FIT_CONSTRAINTS: dict[str, list[Any]] = {
    "checkpoint": [str, Path, None],
    "callback": [callable, None],
}
UPDATE_CONSTRAINTS: dict[str, list[Any]] = {
    "forget_factor": [Interval(Real, 0, 1, closed="right")],
}


class BASiS(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Learned spectral embedding that also embeds new points.

    A network learns to map each point to its row of the first Laplacian eigenvectors.
    It is trained in batches, which share anchors and are aligned to one basis:
    `"BASiS: Batch Aligned Spectral Embedding Space"
    <https://arxiv.org/abs/2211.16960>`_, Algorithm 1. Memory does not grow with the
    number of points.

    Args:
        n_components (int or str): Dimension of the embedding :math:`K`; for clustering,
            the number of clusters. :obj:`"eigengap"` chooses it, up to 20, by the
            largest gap between the eigenvalues of a graph of reference size, see
            :func:`~pyg_basis.eigen.suggest_num_components`. This costs one more
            such graph. (default: :obj:`2`)
        n_anchors (int): Nodes that all batches share. (default: :obj:`250`)
        batch_size (int): Nodes per batch, including anchors. Larger batches
            approximate the eigenvectors of the whole graph better.
            (default: :obj:`2048`)
        reference_size (int, optional): Size of the sample whose graph's eigenvectors
            are learned. :obj:`None` uses the batch size, as published, which is as
            good if a gap follows the last eigenvalue. Without such a gap, a larger
            sample approximates the eigenvectors of the whole set better, but the
            coarser ones of a smaller sample may cluster better.
            (default: :obj:`10_000`)
        n_neighbors (int): Neighbors per node in the graph of a batch.
            (default: :obj:`50`)
        max_iter (int): Maximum number of training batches. Several hundred are needed
            without a read-out, or for a given graph whose features say little about
            it. (default: :obj:`300`)
        laplacian (str): :obj:`"rw"` (random walk), :obj:`"sym"` (normalized) or
            :obj:`"comb"` (combinatorial). (default: :obj:`"rw"`)
        alpha (float): Exponent of the density normalization of the affinities, from 0
            to 1 (Coifman and Lafon 2006), see
            :func:`~pyg_basis.graph.density_normalized`. Self-tuning bandwidths follow
            the density; use one global bandwidth to remove it. (default: :obj:`0.0`)
        diffusion_time (float, optional): Steps :math:`t` of the random walk of a
            diffusion map. Column k of :meth:`transform` is multiplied by
            :math:`(1 - \lambda_k)^t` (Eq. 6). It may be changed after the fit.
            :obj:`layer_` always returns the eigenvectors. (default: :obj:`None`)
        drop_first (bool): Omit the trivial eigenvector, of eigenvalue 0.
            (default: :obj:`True`)
        metric (str): Distance between points: :obj:`"euclidean"`, or :obj:`"cosine"`,
            which divides each row by its norm on input and is Euclidean from there on.
            Rows of norm 1, up to rounding, are left bitwise unchanged.
            (default: :obj:`"euclidean"`)
        bandwidth (str or float): :obj:`"self_tuning"`, :obj:`"global"`, or the value of
            the global bandwidth, in units of the features.
            (default: :obj:`"self_tuning"`)
        anchor_method (str): How anchors are chosen, see
            :func:`~pyg_basis.reference.choose_anchors`. Some are replaced if the
            anchors do not span the reference space. Labels are used for
            :obj:`"per_class"` only. (default: :obj:`"poisson_disk"`)
        alignment (str): :obj:`"lstsq"`, :obj:`"ransac"`, :obj:`"orthogonal"` or
            :obj:`"moments"`, see :func:`~pyg_basis.align.fit_affine`.
            (default: :obj:`"lstsq"`)
        extend_degree (bool): For :obj:`laplacian="sym"`: learn the random-walk
            eigenvectors, and separately the degrees, from a larger sample, see
            :class:`~pyg_basis.BASiSLayer`. (default: :obj:`True`)
        eigen_solver (str): Eigensolver of the batches: :obj:`"auto"`,
            :obj:`"chebyshev"`, :obj:`"lanczos"`, :obj:`"lobpcg"` or :obj:`"dense"`, see
            :func:`~pyg_basis.eigen.eigenpairs`. (default: :obj:`"auto"`)
        graph (str): The graph to embed: :obj:`"edges"` (the given one), :obj:`"knn"`
            (nearest neighbors) or :obj:`"auto"` (the edges if there are any). Edges are
            the :obj:`edge_index` of a :class:`~torch_geometric.data.Data`, given as
            :obj:`X` or in a file, or the adjacency given to :meth:`fit`.
            (default: :obj:`"auto"`)
        graph_targets (str): Targets of batches of a given graph: :obj:`"exact"` (its
            exact eigenvectors), :obj:`"coarsened"` (those of samples to whose nodes all
            others are joined) or :obj:`"auto"` (chosen by the number of nodes, and
            logged). See :class:`~pyg_basis.reference.CoarsenedGraph`.
            (default: :obj:`"auto"`)
        readout (bool): After training, extract the eigenvectors from the hidden
            features by a Rayleigh-Ritz step over the graphs of several samples, see
            :meth:`~pyg_basis.BASiSLayer.read_out`, or by least squares for a given
            graph with exact targets. If :obj:`False`, the output is the regression of
            the batches, as published. (default: :obj:`True`)
        network (torch.nn.Module, optional): Network that returns hidden features; a
            copy is trained, see :class:`~pyg_basis.BASiSLayer`. Its dropout uses the
            fit's own generator, which :mod:`torch.utils.checkpoint` does not
            restore: use no dropout in checkpointed parts. A compiled network uses the
            global generator. (default: :obj:`None`)
        learning_rate (float): Learning rate of Adam. Without a read-out it decays over
            the second half of the training. (default: :obj:`3e-3`)
        tol (float, optional): With a read-out, training stops early once the part of
            the eigenvectors missing from the span of the hidden features hardly
            decreases. After 10, 20, 40, ... batches, it stops if this part is small, or
            has not decreased by the fraction :obj:`tol` since half as many batches; for
            a given graph with exact targets, only if it is small. :obj:`None` trains
            for :obj:`max_iter` batches. (default: :obj:`0.2`)
        num_workers (int): Worker processes that read points and compute targets, each
            at most two batches ahead. They help if reading points is slow, or training
            is limited to one thread. They do not change the result.
            (default: :obj:`0`)
        device (str): Device of the training. (default: :obj:`"cpu"`)
        random_state (int, RandomState or None): Source of all randomness.
            (default: :obj:`None`)
        updatable (bool): Keep what :meth:`update` needs: moments of the hidden
            features, and a sample of up to 10,000 points, or of reference size if that
            is larger. Both are saved with the model. (default: :obj:`False`)
        verbose (bool): Show the loss and the remaining time, and finally the quality
            of the fit. (default: :obj:`False`)

    Attributes:
        layer_ (BASiSLayer): The fitted layer. For wide features, its input is
            :obj:`X @ projection_.T`.
        projection_ (scipy.sparse.csr_array, optional): Projection of features of more
            than 4,096 columns, :obj:`[2048, d]`; else :obj:`None`.
        history_ (dict): Lists with one entry per batch: loss, learning rate, alignment
            residual, rank and consensus, number of connected components, and whether
            the eigensolver converged and whether it fell back. :obj:`missing` has one
            entry per check of :obj:`tol`, and a final one: what K + 5 vectors, read out
            from one graph, lack of the K exact ones at the points of
            :obj:`quality_`; for a given graph with exact targets, the Grassmann
            distance d_G from the eigenvectors to the span of the hidden features.
        eigenvalues_ (numpy.ndarray): The first K eigenvalues and up to five more,
            ascending, without the trivial one if it is omitted: with a read-out, the
            mean over its graphs, or the exact ones of a given graph with exact
            targets; without, those of the reference (smaller graphs have larger
            eigenvalues). There are fewer if the hidden features span fewer directions,
            the graph has fewer nodes, or those of a given graph did not converge.
        n_components_ (int): Dimension of the embedding.
        eigengap_ (float): Distance from the K-th eigenvalue to the next. If it is
            small, the last columns vary between samples.
        quality_ (dict): Quality of the fit, with a read-out only, measured at a tenth
            of the points (of :obj:`reference_size` at most) or nodes of a given graph,
            held out if they are at least 20 K, and else at the points of the fit, which
            is too favorable. :obj:`grassmann_distance`: d_G to the exact eigenvectors
            of a graph of these points; :obj:`captured`: the share of each exact
            eigenvector in the span of the embedding, from 0 to 1;
            :obj:`captured_by_more`: its mean with five more learned columns, high even
            without a gap after the last eigenvalue (no more columns for a given graph
            with exact targets); :obj:`eigengap`; :obj:`disconnected_batches`: the share
            of batches with a disconnected graph; :obj:`num_nodes`: the number of these
            points; :obj:`held_out`: whether they were held out.
        n_iter_ (int): Number of training batches.
        n_features_in_ (int): Width of the features, before the projection.

    For a given graph, the network learns to predict a node's row from its features, so
    it also embeds nodes that are added later. Components of less than a hundredth of
    the nodes are excluded from training. :obj:`anchor_method`, :obj:`n_neighbors` and
    :obj:`bandwidth` concern nearest-neighbor graphs and are ignored.

    Features of more than 4,096 columns, such as large images, are projected to 2,048
    columns as they are read, by a sparse random matrix drawn from :obj:`random_state`.
    This preserves distances up to about 2 %, so the graph hardly changes. For rows with
    a handful of nonzeros, such as short texts, the error is 5 % or more: reduce them
    before the fit, for example with :class:`sklearn.decomposition.TruncatedSVD`.

    Points may be an array (also memory-mapped), a matrix of :mod:`scipy.sparse`
    (densified some thousand rows at a time), a tensor (embeddings then are tensors), a
    :class:`~torch_geometric.data.Data` with features :obj:`x`, a
    :class:`networkx.Graph` with the node attribute :obj:`"x"`, the path of a
    :obj:`.npy` or :obj:`.pt` file with one of these, or a map-style
    :class:`torch.utils.data.Dataset` of feature vectors, see
    :class:`~pyg_basis.data.FeatureSource`.
    """

    n_components: Any  # an int during a training
    layer_: BASiSLayer
    projection_: csr_array | None
    history_: History
    eigenvalues_: NDArray[np.floating[Any]]
    quality_: dict[str, Any] | None
    n_iter_: int
    _sizes: BatchSizes
    _memory: Memory | None
    _parameter_constraints = CONSTRAINTS

    def __init__(
        self,
        n_components: int | Literal["eigengap"] = 2,
        *,
        n_anchors: int = 250,
        batch_size: int = 2048,
        reference_size: int | None = 10_000,
        n_neighbors: int = 50,
        max_iter: int = 300,
        laplacian: Literal["sym", "rw", "comb"] = "rw",
        alpha: float = 0.0,
        diffusion_time: float | None = None,
        drop_first: bool = True,
        metric: Metric = "euclidean",
        bandwidth: Literal["self_tuning", "global"] | float = "self_tuning",
        anchor_method: AnchorMethod = "poisson_disk",
        alignment: AlignmentMethod = "lstsq",
        extend_degree: bool = True,
        eigen_solver: str = "auto",
        graph: Literal["auto", "knn", "edges"] = "auto",
        graph_targets: Literal["auto", "exact", "coarsened"] = "auto",
        readout: bool = True,
        network: nn.Module | None = None,
        learning_rate: float = 3e-3,
        tol: float | None = 0.2,
        num_workers: int = 0,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
        updatable: bool = False,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.n_anchors = n_anchors
        self.batch_size = batch_size
        self.reference_size = reference_size
        self.n_neighbors = n_neighbors
        self.max_iter = max_iter
        self.laplacian = laplacian
        self.alpha = alpha
        self.diffusion_time = diffusion_time
        self.drop_first = drop_first
        self.metric = metric
        self.bandwidth = bandwidth
        self.anchor_method = anchor_method
        self.alignment = alignment
        self.extend_degree = extend_degree
        self.eigen_solver = eigen_solver
        self.graph = graph
        self.graph_targets = graph_targets
        self.readout = readout
        self.network = network
        self.learning_rate = learning_rate
        self.tol = tol
        self.num_workers = num_workers
        self.device = device
        self.random_state = random_state
        self.updatable = updatable
        self.verbose = verbose

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @failing_together()
    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        adjacency: Any = None,
        sample_weight: ArrayLike | None = None,
        *,
        checkpoint: str | Path | None = None,
        callback: Callback | None = None,
    ) -> "BASiS":
        r"""Learns the embedding of the points :obj:`X [n, d]`.

        Labels :obj:`y [n]` are used for :obj:`anchor_method="per_class"` only. An
        :obj:`adjacency [n, n]` replaces the nearest-neighbor graph: symmetric,
        nonnegative weights between all points, of :mod:`scipy.sparse` or dense, or
        anything else :func:`~pyg_basis.graph.as_data` accepts. It is treated like the
        edges of a :class:`~torch_geometric.data.Data`.

        A :obj:`sample_weight [n]` is the multiplicity of each point, for merged
        duplicates or to correct uneven sampling. Integer weights give bitwise the fit
        of repeated rows. Other weights are divided by their mean and rounded at random.
        Points of weight 0 are ignored. A point whose copies fill all
        :obj:`n_neighbors` in a graph of :obj:`reference_size` has no other neighbors
        there.

        If :obj:`checkpoint` is a folder, the training is saved there after every tenth
        batch, and the same call resumes a training that was cut off or interrupted by
        Ctrl-C: on the same machine, with the same number of threads, the result is
        bitwise the same. A finished training is kept until another begins: the same
        call then gives the same model within ten batches. Use one folder per training.
        The random state of a compiled network is not saved.

        If a process group of :mod:`torch.distributed` is initialized, as under
        :obj:`torchrun`, all ranks call this method and train one model: a step uses
        one batch per rank, gradients are averaged, and the read-out uses the graphs of
        all ranks. :obj:`X` is the same in all ranks, or a shard of at least
        :obj:`batch_size` points in each. The resulting model is the same in all.
        :obj:`max_iter` counts steps. An error in one rank ends all.

        :obj:`callback` is called after each batch with the
        :class:`~pyg_basis.training_state.TrainingState`. If it returns a true value,
        training stops and the model is finished as it is. If it raises an error, the
        fit ends after writing a checkpoint.

        .. code-block:: python

            def log(training):  # to TensorBoard
                for name, value in training.records[-1].items():
                    writer.add_scalar(name, value, training.num_batches)

            basis.fit(x, checkpoint="training", callback=log)

        Raises:
            OSError: If the checkpoint cannot be written.
            RuntimeError: If another rank of the process group raised an error.
            ValueError: If a parameter or the points are invalid, such as rows of zeros
                under :obj:`metric="cosine"`, an asymmetric adjacency, or negative
                weights; or if the checkpoint holds an unfinished training of another
                version, other parameters or other data. An earlier fit is kept then.

        Warns:
            UserWarning: If there are too few points for the parameters, which are then
                lowered; if many batches did not determine their targets; or if an
                interrupt (Ctrl-C) ended the training early: the model is finished as
                it is.
            ConvergenceWarning: If :obj:`max_iter` ended the training while more batches
                still helped considerably, see :obj:`missing` in :obj:`history_`.
        """
        check_parameters(self)
        check_arguments(
            FIT_CONSTRAINTS, "fit", checkpoint=checkpoint, callback=callback
        )
        ranks = Ranks(in_group=True)
        # Also if the caller has disabled gradients.
        with torch.inference_mode(False), torch.enable_grad():
            # An earlier fit is replaced only at the end.
            described, estimator = copy.copy(self), with_plain_integers(self)
            source = feature_source(described, X, reset=True)
            graph = given_edges(estimator, X, adjacency)
            random_state = check_random_state(self.random_state)
            seed = ranks.first(lambda: int(random_state.randint(2**31 - 1)))
            keeper, is_sharded = None, False
            if checkpoint is not None or ranks.size > 1:
                expected = fingerprint(estimator, source, graph, y, sample_weight)
                if ranks.size > 1:
                    expected, is_sharded = agreed(
                        ranks, described, source, expected, checkpoint
                    )
            if checkpoint is not None:
                keeper = TrainingCheckpoint(checkpoint, expected, seed, callback, ranks)
                seed = keeper.seed
            projection = random_projection(source.num_features, seed)
            source = projected(source, projection, keep=True)
            if sample_weight is not None:
                source = weighted(source, sample_weight, graph is not None, seed)
            if is_sharded:
                source = ShardedRows(source, ranks)
            if self.n_components == EIGENGAP:
                chosen = chosen_components(estimator, source, graph, seed)
                estimator.n_components = ranks.gather(chosen)[0]
            if graph is None:
                training = point_training(estimator, source, y, seed, ranks)
            else:
                training = graph_training(estimator, graph, source, seed)
            layer, batches, read_out, held_out, sizes, eigenvalues = training
            own = None
            if not is_compiled(layer.network):
                own = torch.Generator(estimator.device).manual_seed(seed + ranks.rank)
            ranks.synchronize(layer)  # initial weights may differ between ranks
            state = TrainingState(layer, self.learning_rate, own, ranks)
            if keeper is not None:
                keeper.restore(state)
                batches.skip(state.num_batches)
            train(
                state,
                batches,
                estimator.max_iter,
                read_out if self.readout else None,
                self.tol,
                self.verbose,
                keeper or callback,
            )
            history = state.history
            vectors = read_out.finish() if self.readout else None
            ranks.synchronize(layer)
        self.__dict__.pop("feature_names_in_", None)
        self.__dict__.update(vars(described))
        self.layer_, self.history_, self._sizes = layer, history, sizes
        self.projection_ = projection
        self._memory = None
        if self.updatable and vectors is not None and graph is None:
            assert isinstance(read_out, TrainingReadOut)
            moments, points = read_out.moments.moments(), read_out.x
            self._memory = Memory(moments, points, len(source), seed)
        self.n_iter_ = len(history["loss"])
        self.quality_ = None
        first = int(self.drop_first)
        eigenvalues = eigenvalues[first:]
        if vectors is not None:
            eigenvalues = vectors.values
            self.quality_ = quality(layer, vectors, held_out, history)
        self.eigenvalues_ = eigenvalues.cpu().numpy()
        if self.readout and vectors is None and ranks.is_first:
            num_distinct = len(held_out.x.unique(dim=0))
            warn(
                f"the hidden features do not span n_components={self.n_components_} "
                f"directions, so the output stays as it was trained: give more "
                f"distinct points ({num_distinct} of {len(held_out.x)} here), lower "
                f"n_components, or use a wider network"
            )
        if ranks.is_first:
            warn_about_batches(history, layer.embedding, graph is not None)
        if self.quality_ is not None and ranks.is_first:
            is_whole = isinstance(read_out, WholeReadOut)
            num_pairs = layer.embedding.num_pairs
            unfinished = is_far_from_done(history, num_pairs, self.max_iter, self.tol)
            warn_if_poor(
                self.quality_, self.eigenvalues_, self.max_iter, is_whole, unfinished
            )
            if self.verbose:
                tqdm.write(f"BASiS: {in_words(self.quality_)}", file=sys.stderr)
        if keeper is not None and state.is_finished:
            keeper.finish()
        ranks.gather(None)  # late errors of rank 0, as from a warning
        return self

    @property
    def n_components_(self) -> int:
        """Dimension of the embedding."""
        check_is_fitted(self)
        return self.layer_.num_eigenvectors

    @property
    def eigengap_(self) -> float:
        """Distance from the K-th eigenvalue to the next; NaN if unknown."""
        check_is_fitted(self)
        last = self.n_components_ - 1
        known = self.eigenvalues_[last : last + 2]
        return float(known[1] - known[0]) if len(known) == 2 else float("nan")

    def transform(self, X: Any) -> Any:
        r"""Embeds the points :obj:`X [n, d]`, seen or new.

        Returns:
            Tensor or numpy.ndarray: :obj:`[n, n_components]`; a tensor if :obj:`X` is
            one.

        Raises:
            NotFittedError: Before :meth:`fit`.
            ValueError: If the points have another width, are not finite, or have rows
                of zeros under :obj:`metric="cosine"`; or if :obj:`diffusion_time` is
                invalid.
        """
        check_is_fitted(self)
        check_diffusion_time(self)
        source = self._source(X)
        # In double precision a row does not depend on the rest of its block.
        precise = source[0].dtype == torch.float64
        layer = copy.deepcopy(self.layer_).double() if precise else self.layer_
        embedding = torch.empty(
            len(source),
            self.n_components_,
            dtype=layer.anchors.dtype,
            device=X.device if isinstance(X, Tensor) else "cpu",
        )
        with torch.inference_mode():
            for where, rows in row_blocks(source):
                embedding[where] = layer(rows.to(self.device))
        if (factors := self._walk_factors) is not None:
            embedding *= torch.from_numpy(factors).to(embedding)
        return embedding if isinstance(X, Tensor) else embedding.numpy()

    def update(self, X: Any, forget_factor: float = 1.0) -> Movement:
        r"""Also learns new points :obj:`X [n, d]`, in the basis of the embedding.

        The moments of graphs of new points are added to those of the last read-out, and
        the eigenvectors are extracted anew; of earlier points only a sample is needed.
        If more than 5 % of the eigenvectors of a graph of earlier and new points is
        then missing, and more than twice of what was missing before, training of the
        network continues. The result is mapped to the previous basis: directions in
        both spaces stay in place at the earlier points. Among eigenvectors that no gap
        separates, within 30 % of the K-th eigenvalue, the previous combinations are
        kept. New directions, such as another cluster, replace directions that the
        eigenvectors no longer span. Columns are then no longer single eigenvectors, nor
        of mean 0. :obj:`eigenvalues_` and :obj:`quality_` refer to the eigenvectors
        before this map.

        .. code-block:: python

            basis = BASiS(10, updatable=True).fit(monday)
            movement = basis.update(tuesday)
            movement.change, movement.num_lost  # of rows, and of directions

        Args:
            X: New points, of any kind that :meth:`fit` accepts.
            forget_factor (float, optional): Weight of each earlier point. With 1, none
                is forgotten; below 1, earlier updates fade, for drifting data.
                (default: :obj:`1.0`)

        Returns:
            Movement: How far the rows of earlier points moved, which directions were
            lost, each replaced by a new one, and whether training continued, with new
            anchors (:obj:`reanchored`).

        Raises:
            NotFittedError: Before :meth:`fit`.
            ValueError: If the model was fitted without :obj:`updatable` or has a
                :obj:`diffusion_time`, which needs single eigenvectors, or the points
                are invalid. Nothing has changed then.

        Warns:
            UserWarning: If the largest gap in the eigenvalues followed the K-th and
                now follows a later one, as when new points form further clusters.
        """
        check_is_fitted(self)
        before, k = self.eigenvalues_, self.n_components_
        movement = self._update(X, forget_factor)
        num = later_gap(before, self.eigenvalues_, k, self.drop_first)
        if num is not None:
            warn(
                f"the largest gap in the eigenvalues no longer follows eigenvalue "
                f"{k} but {num}, as when new points form further clusters: "
                f"n_components={k} columns do not separate these, so fit anew with "
                f"n_components={num}"
            )
        return movement

    def _update(self, X: Any, forget_factor: float) -> Movement:
        check_arguments(UPDATE_CONSTRAINTS, "update", forget_factor=forget_factor)
        if self._memory is None:
            raise ValueError(
                "update needs what a fit keeps with updatable=True, a readout and a "
                "graph of neighbors: fit BASiS(..., updatable=True), or, for clusters, "
                "BASiSClustering(..., basis=BASiS(..., updatable=True))"
            )
        if self.diffusion_time is not None:
            raise ValueError(
                f"diffusion_time={self.diffusion_time} is of single eigenvectors, and "
                f"an update keeps the basis instead: set diffusion_time=None first"
            )
        with torch.inference_mode(False), torch.enable_grad():
            described = copy.copy(self)
            source = feature_source(described, X, reset=False)
            source = projected(source, self.projection_)
            return update(self, self._memory, source, float(forget_factor))

    def score(self, X: Any, y: Any = None) -> float:
        r"""Share of the exact eigenvectors of the graph of :obj:`X [n, d]` in the span
        of their embedding: :math:`1 - d_G / K`, from 0 to 1. If there are more than
        :obj:`reference_size` points, a sample of this size is used.

        Raises:
            NotFittedError: Before :meth:`fit`.
            ValueError: If the points have another width, are not finite, or too few for
                the neighbors of a graph.
        """
        check_is_fitted(self)
        source = self._source(X)
        size = min(self._sizes.reference_size, len(source))
        rng = np.random.default_rng(0)
        drawn = rng.choice(len(source), size, replace=False)
        x = single_precision(source.__getitems__(drawn)).to(self.device)
        fitted = with_components(self, self.n_components_)
        exact = exact_embedding(fitted, self._sizes.num_neighbors)(x)
        with torch.inference_mode():
            return float(captured_shares(self.layer_(x), exact.vectors).mean())

    def save(self, path: str | Path) -> None:
        r"""Saves the fitted estimator to a file, for :meth:`load`.

        Raises:
            NotFittedError: Before :meth:`fit`.
            OSError: If the file cannot be written. An earlier file is kept then.
            ValueError: If :meth:`load` could not read it, as when parameters have
                changed since the fit.
        """
        check_is_fitted(self)
        write_checkpoint(self, path)

    @classmethod
    def load(cls, path: str | Path, network: nn.Module | None = None) -> "BASiS":
        r"""Loads an estimator that :meth:`save` wrote. No code from the file is run. An
        estimator with its own :obj:`network` needs a module of the same architecture.

        Raises:
            ValueError: If the file is not such a checkpoint, is damaged, or has a
                version that this one cannot read.
        """
        basis: BASiS = read_checkpoint(cls, path, network)[0]
        return basis

    def export(self) -> torch.export.ExportedProgram:
        r"""Exports :meth:`transform` as a graph of torch operations, by
        :func:`torch.export.export`: a function of any number of points :obj:`[n, d]`,
        in single precision on the CPU. Save it by :func:`torch.export.save`; it runs
        with torch alone.

        The graph validates nothing: where :meth:`transform` raises an error, as for
        rows of zeros under :obj:`metric="cosine"`, its output is meaningless.

        Raises:
            NotFittedError: Before :meth:`fit`.
            ValueError: If :obj:`projection_`, which is stored densely, is larger than
                1 GiB, as from 131,073 features on.
        """
        check_is_fitted(self)
        check_diffusion_time(self)
        return exported(self)

    def to_onnx(self, path: str | Path) -> None:
        r"""Writes the graph of :meth:`export` to an ONNX file, with the input
        :obj:`"x" [n, d]`, float32, and the output :obj:`"embedding" [n, K]`. An ONNX
        runtime needs neither Python nor torch.

        Raises:
            NotFittedError: Before :meth:`fit`.
            ImportError: If onnx or onnxscript is not installed (the extra
                :obj:`export`).
            OSError: If the file cannot be written. An earlier file is kept then.
            ValueError: As for :meth:`export`.
        """
        check_is_fitted(self)
        check_diffusion_time(self)
        write_onnx(self, path)

    @property
    def _walk_factors(self) -> NDArray[np.floating[Any]] | None:
        """Factors of the columns, if a diffusion time is set."""
        if self.diffusion_time is None:
            return None
        if self._memory is not None and self._memory.num_updates > 0:
            raise ValueError(
                f"diffusion_time={self.diffusion_time} is of single eigenvectors, and "
                f"the columns are none since an update: set diffusion_time=None, or "
                f"fit anew"
            )
        walk = (1 - self.eigenvalues_[: self.n_components_]).clip(min=0)
        return walk**self.diffusion_time

    def _source(self, X: Any) -> FeatureSource:
        """Points to embed, as input of the layer."""
        return projected(feature_source(self, X, reset=False), self.projection_)

    @property
    def _n_features_out(self) -> int:
        return self.n_components_
