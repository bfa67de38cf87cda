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
from pyg_basis.algorithm import train
from pyg_basis.align import AlignmentMethod
from pyg_basis.data import FeatureSource
from pyg_basis.data.projected_rows import projected, random_projection
from pyg_basis.data.sharded_rows import ShardedRows
from pyg_basis.estimators._agreement import agreed
from pyg_basis.estimators._batch_sizes import BatchSizes
from pyg_basis.estimators._checkpoint import read_checkpoint, write_checkpoint
from pyg_basis.estimators._graph_training import given_edges, graph_training
from pyg_basis.estimators._num_components import chosen_components
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
from pyg_basis.estimators._update import Memory, updated
from pyg_basis.estimators._whole_read_out import WholeReadOut
from pyg_basis.nn import BASiSLayer
from pyg_basis.nn.basis_layer import warn_about_span
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
    r"""Spectral embedding that is learned once and then works on any new point.

    A network is trained to give each point its row of the first eigenvectors
    of the graph Laplacian, in batches that share anchors and so agree on one
    basis: `"BASiS: Batch Aligned Spectral Embedding Space"
    <https://arxiv.org/abs/2211.16960>`_, Algorithm 1. Memory does not grow with
    the number of points.

    Args:
        n_components (int or str): Columns of the embedding :math:`K`; for clustering,
            the number of clusters. :obj:`"eigengap"` takes as many, up to 20, as come
            before the largest gap between the eigenvalues of a graph as large as the
            reference, see :func:`~pyg_basis.eigen.suggest_num_components`; it costs one
            more such graph. (default: :obj:`2`)
        n_anchors (int): Nodes that all batches share. (default: :obj:`250`)
        batch_size (int): Nodes of a batch, anchors included. Larger batches
            come closer to the eigenvectors of the whole graph.
            (default: :obj:`2048`)
        reference_size (int, optional): Points of the graph whose eigenvectors are
            learned, a sample of the set; :obj:`None` takes as many as a batch has,
            as published. Where a gap follows the last eigenvector, that is as good.
            Where none does, more points come closer to the eigenvectors of the whole
            set, while the coarser ones of fewer may cluster better.
            (default: :obj:`10_000`)
        n_neighbors (int): Neighbors of a node in a batch's graph.
            (default: :obj:`50`)
        max_iter (int): Number of batches trained on, at most. A regression, without a
            read-out, needs several hundred, and so does a given graph whose features
            say little about it. (default: :obj:`300`)
        laplacian (str): :obj:`"rw"` (random walk), :obj:`"sym"` (normalized) or
            :obj:`"comb"` (combinatorial). (default: :obj:`"rw"`)
        alpha (float): How much of the density of the points is taken out of the
            weights, from 0 to 1 (Coifman and Lafon 2006), see
            :func:`~pyg_basis.graph.density_normalized`. Self-tuning bandwidths follow
            the density by themselves: to be rid of it take one bandwidth.
            (default: :obj:`0.0`)
        diffusion_time (float, optional): Steps :math:`t` of the random walk: column k
            of :meth:`transform` is multiplied by :math:`(1 - \lambda_k)^t` (a
            diffusion map, Eq. 6). It may be changed after the fit. :obj:`layer_` gives
            the eigenvectors themselves. (default: :obj:`None`)
        drop_first (bool): Leave out the trivial eigenvector, of eigenvalue 0.
            (default: :obj:`True`)
        metric (str): Of the distances between points: :obj:`"euclidean"`, or
            :obj:`"cosine"`, by the angle alone: rows are divided by their norms as they
            enter, and all else is Euclidean. Rows of norm 1, up to rounding, stay as
            they are to the last bit. (default: :obj:`"euclidean"`)
        bandwidth (str or float): :obj:`"self_tuning"`, :obj:`"global"`, or the
            global bandwidth itself, in units of the features.
            (default: :obj:`"self_tuning"`)
        anchor_method (str): How anchors are chosen, see
            :func:`~pyg_basis.reference.choose_anchors`; some are exchanged where they
            leave a direction of the reference space open. Labels are used for
            :obj:`"per_class"` only. (default: :obj:`"poisson_disk"`)
        alignment (str): :obj:`"lstsq"`, :obj:`"ransac"`, :obj:`"orthogonal"` or
            :obj:`"moments"`, see :func:`~pyg_basis.align.fit_affine`.
            (default: :obj:`"lstsq"`)
        extend_degree (bool): For :obj:`laplacian="sym"`: learn the eigenvectors of
            the random walk, and the degrees apart from a larger sample, see
            :class:`~pyg_basis.BASiSLayer`. (default: :obj:`True`)
        eigen_solver (str): The eigensolver of batches: :obj:`"auto"`,
            :obj:`"chebyshev"`, :obj:`"lanczos"`, :obj:`"lobpcg"` or :obj:`"dense"`, see
            :func:`~pyg_basis.eigen.eigenpairs`. (default: :obj:`"auto"`)
        graph (str): The graph whose eigenvectors are learned: :obj:`"edges"`, that of
            the edges, where :obj:`X` is a :class:`~torch_geometric.data.Data` with an
            :obj:`edge_index`, or a file with one, or :meth:`fit` gets an adjacency;
            :obj:`"knn"`, that of each point's nearest neighbors; :obj:`"auto"`, the
            edges where there are some. (default: :obj:`"auto"`)
        graph_targets (str): How batches of a given graph get their targets:
            :obj:`"exact"`, from the exact eigenvectors of all of it;
            :obj:`"coarsened"`, from samples to whose nodes all others are joined, see
            :class:`~pyg_basis.reference.CoarsenedGraph`; :obj:`"auto"` chooses by the
            number of nodes, and logs it. (default: :obj:`"auto"`)
        readout (bool): Read the eigenvectors out of the hidden features once the
            network is trained, by a Rayleigh-Ritz step over the graphs of several
            samples, see :meth:`~pyg_basis.BASiSLayer.read_out`; of a given graph
            that is learned as a whole, by least squares. Without it the output is the
            regression of the batches, as published. (default: :obj:`True`)
        network (torch.nn.Module, optional): The network to train a copy of; it gives
            hidden features, see :class:`~pyg_basis.BASiSLayer`. Its dropout draws from
            a generator of the fit's own, which :mod:`torch.utils.checkpoint` does not
            restore: leave dropout out of checkpointed parts. A compiled network draws
            from the global one. (default: :obj:`None`)
        learning_rate (float): Of Adam. Without a read-out it decays over the second
            half of the training. (default: :obj:`3e-3`)
        tol (float, optional): With a read-out, training ends after 10, 20, 40, ...
            batches, when what is missing in the span of the hidden features has not
            become smaller by this share since half as many, or is small; on a given
            graph that is learned as a whole, with exact targets, only when it is small.
            :obj:`None` goes on to :obj:`max_iter`. (default: :obj:`0.2`)
        num_workers (int): Processes that read points and compute targets ahead of
            the training, two batches each at most. They pay where points are slow
            to read, or where the training is held to one thread. The result does
            not depend on it. (default: :obj:`0`)
        device (str): Where the network is trained. (default: :obj:`"cpu"`)
        random_state (int, RandomState or None): Source of all randomness.
            (default: :obj:`None`)
        updatable (bool): Keep what :meth:`update` needs: moments of the hidden
            features, and a sample of up to 10,000 points, or as many as the reference
            has. Both are saved with the model. (default: :obj:`False`)
        verbose (bool): Show the loss and the time left, and at the end how good the
            fit is. (default: :obj:`False`)

    Attributes:
        layer_ (BASiSLayer): The fitted layer. Of wide features it takes the projected
            ones, :obj:`X @ projection_.T`.
        projection_ (scipy.sparse.csr_array, optional): What features of more than 4,096
            columns are projected by, :obj:`[2048, d]`; :obj:`None` for others.
        history_ (dict): Loss, learning rate, alignment residual, rank and consensus,
            number of connected components, whether the eigensolver converged and
            whether it fell back, a list with one entry a batch each; and
            :obj:`excess`, with one for each time that :obj:`tol` was looked at, and
            for the end: by how much the eigenvalues in the span of the hidden features
            exceed the exact ones, in units of the distance to the (K + 5)-th; on a
            given graph that is learned as a whole, d_G to what comes closest in that
            span.
        eigenvalues_ (numpy.ndarray): The first K eigenvalues and five beyond,
            ascending, without the trivial one where it is left out. They are those of
            the graphs that were read out of, in their mean; of a given graph that is
            learned as a whole, its own. Without a read-out they are those of the
            reference: fewer nodes have larger ones. There are fewer beyond where the
            hidden features span fewer directions, or the graph has fewer nodes, or
            those of a given graph did not converge.
        n_components_ (int): Columns of the embedding.
        eigengap_ (float): The distance from the K-th eigenvalue to the next. Where it
            is small the last columns differ from sample to sample.
        quality_ (dict): How good the fit is, measured at points that took no part in it
            (where there are more points than :obj:`reference_size`, or at nodes of a
            given graph): :obj:`grassmann_distance`, d_G to the exact eigenvectors of
            a graph of them; :obj:`captured`, how much of each exact eigenvector the
            embedding holds, from 0 to 1; :obj:`captured_by_more`, the mean of that with
            five more learned columns, which is high also where no gap follows the
            last eigenvalue (there are none more on a given graph that is learned as a
            whole); :obj:`eigengap`; :obj:`disconnected_batches`, the share of
            batches whose graph fell apart; :obj:`num_nodes`, where it was measured;
            :obj:`held_out`, whether these took no part. Only with a read-out.
        n_iter_ (int): Number of batches trained on.
        n_features_in_ (int): Width of the features, before they are projected.

    Of a given graph the network learns to predict a node's row from its features, also
    for nodes that come later; components of less than a hundredth of the nodes take
    no part in the training. :obj:`anchor_method`, :obj:`n_neighbors` and
    :obj:`bandwidth` are for graphs of neighbors and play no role then.

    Features of more than 4,096 columns, such as large pictures, are projected to 2,048
    columns before all else, as they are read, by a sparse random matrix that
    :obj:`random_state` draws: distances stay as they are but for about 2 %, so the
    graph is nearly that of the features themselves. Of rows with a handful of numbers
    that are not zero, such as those of short texts, it is 5 % and more: reduce these
    before the fit, for example with :class:`sklearn.decomposition.TruncatedSVD`.
    Narrower features are taken as they are.

    Points may be an array (a memory-mapped one too), a matrix of :mod:`scipy.sparse`
    (dense for some thousand rows at a time only), a tensor (embeddings then
    are tensors), a :class:`~torch_geometric.data.Data` with features
    :obj:`x`, a :class:`networkx.Graph` with them as the attribute :obj:`"x"` of its
    nodes, the path of a :obj:`.npy` or :obj:`.pt` file with one of these,
    or a map-style :class:`torch.utils.data.Dataset` of feature vectors, see
    :class:`~pyg_basis.data.FeatureSource`.
    """

    n_components: Any  # a number in all of a training
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

        Labels :obj:`y [n]` are used for :obj:`anchor_method="per_class"` only.
        An :obj:`adjacency [n, n]` takes the place of the nearest neighbors: the
        symmetric, not negative weights between all points, of :mod:`scipy.sparse` or
        dense, or what else :func:`~pyg_basis.graph.as_data` takes. It is learned as the
        edges of a :class:`~torch_geometric.data.Data` are.

        A :obj:`sample_weight [n]` counts a point as so many, as where equal rows were
        merged, or undoes uneven sampling. Of whole numbers the fit is that of rows
        which are repeated as often, to the last bit. Others are taken relative to their
        mean, and rounded at random. Points of weight 0 play no role. A point of so
        much weight that its copies fill all :obj:`n_neighbors` in a graph of
        :obj:`reference_size` has no other neighbors there.

        With a folder as :obj:`checkpoint`, the training is written there after each
        tenth batch, and one that was cut off goes on from there in the same call: on
        the same machine, with as many threads, its result is the same to the bit. A
        training that was interrupted by Ctrl-C goes on as well. A finished one is kept
        until another begins: the same call gives the same model within ten batches. A
        folder is for one training at a time. What a compiled network draws at random is
        not kept.

        Where a process group of :mod:`torch.distributed` is initialized, as within
        :obj:`torchrun`, all its ranks call this and do one training: a step takes a
        batch of each, their gradients are averaged, and the eigenvectors are read out
        of the graphs of all. :obj:`X` is the same in all ranks, or a shard of at least
        :obj:`batch_size` points in each; the model is the same. :obj:`max_iter` counts
        steps. What one rank raises ends all.

        After each batch :obj:`callback` is called with the
        :class:`~pyg_basis.training_state.TrainingState`; returning what is true ends
        the training, and the model is finished as it is. What it raises ends the fit,
        and a checkpoint is written first.

        .. code-block:: python

            def log(training):  # to TensorBoard
                for name, value in training.records[-1].items():
                    writer.add_scalar(name, value, training.num_batches)

            basis.fit(x, checkpoint="training", callback=log)

        Raises:
            OSError: If the checkpoint cannot be written.
            RuntimeError: If another rank of the process group raised an error.
            ValueError: If a parameter or the points cannot be used, such as rows of
                zeros under :obj:`metric="cosine"`, an asymmetric adjacency, or negative
                weights; or if the checkpoint is of an unfinished training of another
                version, other parameters or other data. An earlier fit is kept then.

        Warns:
            UserWarning: If there are fewer points than the parameters count
                on, which are lowered then, if many batches did not determine
                their targets, or if an interrupt (Ctrl-C) ended the training early:
                the model is finished as it is.
            ConvergenceWarning: If :obj:`max_iter` ended the training while more batches
                still helped a good deal, see :obj:`excess` in :obj:`history_`.
        """
        check_parameters(self)
        check_arguments(
            FIT_CONSTRAINTS, "fit", checkpoint=checkpoint, callback=callback
        )
        ranks = Ranks(in_group=True)
        # Also where a caller has turned gradients off.
        with torch.inference_mode(False), torch.enable_grad():
            # An earlier fit is replaced at the end only.
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
            ranks.synchronize(layer)  # a network may have weights of its own in each
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
            warn_about_span(layer)
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
        ranks.gather(None)  # what rank 0 raised in the end, as of a warning
        return self

    @property
    def n_components_(self) -> int:
        """Columns of the embedding."""
        check_is_fitted(self)
        return self.layer_.num_eigenvectors

    @property
    def eigengap_(self) -> float:
        """The distance from the K-th eigenvalue to the next; NaN where that is not
        known."""
        check_is_fitted(self)
        last = self.n_components_ - 1
        known = self.eigenvalues_[last : last + 2]
        return float(known[1] - known[0]) if len(known) == 2 else float("nan")

    def transform(self, X: Any) -> Any:
        r"""The embedding :obj:`[n, n_components]` of the points :obj:`X
        [n, d]`, seen or new; a tensor if :obj:`X` is one, else an array.

        Raises:
            NotFittedError: Before :meth:`fit`.
            ValueError: If the points are of another width, not finite, or rows of
                zeros under :obj:`metric="cosine"`, or :obj:`diffusion_time` cannot be
                used.
        """
        check_is_fitted(self)
        check_diffusion_time(self)
        source = self._source(X)
        # In double precision a row does not depend on those beside it.
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
        r"""Learns new points :obj:`X [n, d]` as well, and keeps the basis of the
        embedding.

        The moments of graphs of new points are added to those that the eigenvectors
        were read out of, and these are read out anew, with no earlier point but a
        sample. Where more than 5 % of the eigenvectors of a graph of earlier and new
        points is missing then, and more than twice of what was missing before, the
        network is trained on. The result is carried to the basis that was there: the
        directions that both spaces have stay where they are at the earlier points. Of
        eigenvectors that no gap sets apart, within 30 % of the K-th eigenvalue, those
        combinations are taken that were there before. What is new, such as another
        cluster, takes the place of directions that the eigenvectors do not hold any
        more. So the columns are no longer eigenvectors one by one, and not of mean 0.
        :obj:`eigenvalues_` and :obj:`quality_` are those of the eigenvectors as they
        were read out.

        .. code-block:: python

            basis = BASiS(10, updatable=True).fit(monday)
            movement = basis.update(tuesday)
            movement.change, movement.num_lost  # of rows, and of directions

        Args:
            X: New points, of the kinds that :meth:`fit` takes.
            forget_factor (float, optional): As how many each earlier point counts: with
                1 all are kept; with less, those of earlier updates fade away, for data
                that drift. (default: :obj:`1.0`)

        Returns:
            Movement: How far the rows of earlier points moved, which directions were
            lost, each to a new one, and whether the network was trained on, with other
            anchors (:obj:`reanchored`).

        Raises:
            NotFittedError: Before :meth:`fit`.
            ValueError: If the model was not fitted with :obj:`updatable`, or has a
                :obj:`diffusion_time`, which is of single eigenvectors; or the points
                cannot be used. Nothing has changed then.
        """
        check_is_fitted(self)
        check_arguments(UPDATE_CONSTRAINTS, "update", forget_factor=forget_factor)
        if self._memory is None:
            raise ValueError(
                "update needs what a fit keeps with updatable=True, a readout and a "
                "graph of neighbors: fit a BASiS with updatable=True"
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
            found = updated(self, self._memory, source, float(forget_factor))
        self.layer_, self._memory = found.layer, found.memory
        self.quality_, self.history_ = found.quality, found.history
        self.n_iter_ = len(found.history["loss"])
        self.eigenvalues_ = found.vectors.values.cpu().numpy()
        return found.movement

    def score(self, X: Any, y: Any = None) -> float:
        r"""How much of the exact eigenvectors of the graph of points :obj:`X [n, d]`
        their embedding holds, from 0 to 1: :math:`1 - d_G / K`. Of more points than
        :obj:`reference_size`, a sample of so many is taken.

        Raises:
            NotFittedError: Before :meth:`fit`.
            ValueError: If the points are of another width, not finite, or too few for
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
        r"""Writes the fitted estimator to a file, for :meth:`load`.

        Raises:
            NotFittedError: Before :meth:`fit`.
            OSError: If the file cannot be written. An earlier one stays as it was.
            ValueError: If :meth:`load` could not read it, as where parameters have
                changed since the fit.
        """
        check_is_fitted(self)
        write_checkpoint(self, path)

    @classmethod
    def load(cls, path: str | Path, network: nn.Module | None = None) -> "BASiS":
        r"""Reads an estimator that :meth:`save` wrote; no code from the file is
        run. One fitted with a :obj:`network` of its own needs a module of the
        same build again.

        Raises:
            ValueError: If the file is no such checkpoint, damaged, or of a version
                that this one cannot read.
        """
        basis: BASiS = read_checkpoint(cls, path, network)[0]
        return basis

    def export(self) -> torch.export.ExportedProgram:
        r"""All of :meth:`transform` as a graph of torch operations, by
        :func:`torch.export.export`: a function of points :obj:`[n, d]`, any number of
        them, in single precision on the CPU. :func:`torch.export.save` writes it; to
        run it needs torch alone.

        It checks nothing: where :meth:`transform` raises an error, as for rows of zeros
        under :obj:`metric="cosine"`, its rows mean nothing.

        Raises:
            NotFittedError: Before :meth:`fit`.
            ValueError: If :obj:`projection_`, which the graph holds with its zeros, is
                larger than a gibibyte, as from 131,073 features on.
        """
        check_is_fitted(self)
        check_diffusion_time(self)
        return exported(self)

    def to_onnx(self, path: str | Path) -> None:
        r"""Writes the graph of :meth:`export` to an ONNX file, whose input is
        :obj:`"x" [n, d]`, float32, and whose output is :obj:`"embedding" [n, K]`. What
        runs ONNX needs neither Python nor torch.

        Raises:
            NotFittedError: Before :meth:`fit`.
            ImportError: If onnx or onnxscript is not installed (the extra
                :obj:`export`).
            OSError: If the file cannot be written. An earlier one stays as it was.
            ValueError: As :meth:`export`.
        """
        check_is_fitted(self)
        check_diffusion_time(self)
        write_onnx(self, path)

    @property
    def _walk_factors(self) -> NDArray[np.floating[Any]] | None:
        """What the columns are multiplied by, if a diffusion time is set."""
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
        """Points to embed, as the layer takes them."""
        return projected(feature_source(self, X, reset=False), self.projection_)

    @property
    def _n_features_out(self) -> int:
        return self.n_components_
