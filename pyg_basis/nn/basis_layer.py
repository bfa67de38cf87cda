from collections.abc import Iterable
from contextlib import nullcontext
from itertools import chain
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_basis._constraints import SEED, at_least, check_arguments
from pyg_basis._own_generator import OwnGenerator, is_compiled
from pyg_basis._precision import full_precision, uncompiled
from pyg_basis._ranks import Ranks
from pyg_basis._warn import warn
from pyg_basis.algorithm import (
    NUM_BEYOND,
    SampleGraph,
    batch_targets,
    fix_reference,
    read_out,
    update_reference,
)
from pyg_basis.align.aligner import METHOD, Aligner, AlignmentMethod, get_aligner
from pyg_basis.eigen.eigenpairs import SOLVER
from pyg_basis.graph import GivenGraph
from pyg_basis.graph.affinity import Bandwidth
from pyg_basis.graph.laplacian import LaplacianKind
from pyg_basis.nn._default_network import HiddenLayers
from pyg_basis.nn._evaluating import evaluating
from pyg_basis.nn.degree_extension import DEGREE_SAMPLE, DegreeExtension
from pyg_basis.nn.gaussian_kernels import gaussian_kernels, neighbor_bandwidths
from pyg_basis.nn.standardization import Standardization
from pyg_basis.readout.output_layer import OutputLayer
from pyg_basis.readout.rayleigh_ritz import (
    MOST_DIRECTIONS,
    NODES_PER_DIRECTION,
    RayleighRitz,
    RitzVectors,
)
from pyg_basis.reference import ExactEmbedding, Movement, Reference
from pyg_basis.reference.unit_rows import Metric

# An anchor's bandwidth is the distance to its nearest other anchor of this rank.
KERNEL_NEIGHBOR = 20
# Enough nodes for the maximum number of directions.
ENOUGH_NODES = NODES_PER_DIRECTION * MOST_DIRECTIONS
# Buffers of the length of the reference set, which is initially unknown.
OF_ANY_LENGTH = ("nodes", "rows")

CONSTRAINTS: dict[str, list[Any]] = {
    "in_channels": [at_least(1)],
    "num_anchors": [at_least(1)],
    "network": [nn.Module, None],
    "alignment": METHOD,
    "extend_degree": ["boolean"],
    "eigen_solver": SOLVER,
    "generator": [torch.Generator, None],
    "seed": [SEED],
}


class BASiSLayer(nn.Module):
    r"""Maps features to the Laplacian eigenvectors of their graph, from
    `"BASiS: Batch Aligned Spectral Embedding Space"
    <https://arxiv.org/abs/2211.16960>`_ (Algorithm 1).

    .. math::
        f(x) = d(x)^{1/2} \, (h(x) \, C + c)

    The network's hidden features :math:`h` and an output layer regress the random-walk
    eigenvectors, which vary smoothly with the features. For :obj:`laplacian="sym"` they
    are multiplied by the square root of the learned degree (see
    :class:`DegreeExtension`); otherwise this factor is absent. After training,
    :meth:`read_out` replaces the output layer by the best approximation of the
    eigenvectors in the span of the hidden features and of Gaussian kernels at the
    anchors. All fitted quantities, such as anchors and their reference rows, are
    buffers: :meth:`state_dict` restores them in a layer built with the same arguments.
    Under :class:`torch.autocast` only the network runs in lower precision.

    Args:
        in_channels (int): Width of the features :math:`d`.
        num_eigenvectors (int): Dimension of the embedding :math:`K`.
        num_anchors (int, optional): Number of anchors :math:`l`.
            (default: :obj:`250`)
        network (torch.nn.Module, optional): Any module that maps standardized
            features :obj:`[n, in_channels]` to hidden features :obj:`[n, h]` of any
            width, or to a tuple of the outputs of several layers: the last one is
            regressed, and the read-out uses all. The output layer is added here. By
            default four linear layers with ReLU. (default: :obj:`None`)
        num_neighbors (int, optional): Neighbors per node in the graph of a batch.
            (default: :obj:`50`)
        bandwidth (str or float, optional): See
            :func:`~pyg_basis.graph.affinity`. (default: :obj:`"self_tuning"`)
        laplacian (str, optional): :obj:`"rw"`, :obj:`"sym"` or :obj:`"comb"`.
            (default: :obj:`"rw"`)
        alpha (float, optional): Exponent of the density normalization, from 0 to 1, see
            :func:`~pyg_basis.graph.density_normalized`. (default: :obj:`0.0`)
        drop_first (bool, optional): Omit the trivial eigenvector.
            (default: :obj:`True`)
        alignment (str or aligner, optional): See
            :func:`~pyg_basis.align.fit_affine`. (default: :obj:`"lstsq"`)
        extend_degree (bool, optional): For :obj:`laplacian="sym"`: regress the
            random-walk eigenvectors, as above. If :obj:`False`, regress those of the
            batches' normalized Laplacians, whose factors are the degrees of the batch,
            as published. (default: :obj:`True`)
        eigen_solver (str, optional): Eigensolver of the batches, such as
            :obj:`"lobpcg"`, see :func:`~pyg_basis.eigen.eigenpairs`.
            (default: :obj:`"auto"`)
        generator (torch.Generator, optional): Source of the initial weights, by default
            the global one, as for any module. (default: :obj:`None`)
        metric (str, optional): :obj:`"euclidean"`, or :obj:`"cosine"`, which divides
            features by their norms on input, see
            :func:`~pyg_basis.reference.unit_rows.unit_rows`.
            (default: :obj:`"euclidean"`)

    Shapes:
        - **input:** features :obj:`[n, d]` of any number of nodes
        - **output:** embedding :obj:`[n, K]`, mean square 1 per column
    """

    anchors: Tensor
    rows: Tensor
    nodes: Tensor
    num_nodes: Tensor
    is_initialized: Tensor
    bandwidths: Tensor

    def __init__(
        self,
        in_channels: int,
        num_eigenvectors: int,
        num_anchors: int = 250,
        network: nn.Module | None = None,
        num_neighbors: int = 50,
        bandwidth: Bandwidth = "self_tuning",
        laplacian: LaplacianKind = "rw",
        alpha: float = 0.0,
        drop_first: bool = True,
        alignment: AlignmentMethod | Aligner = "lstsq",
        extend_degree: bool = True,
        eigen_solver: str = "auto",
        generator: torch.Generator | None = None,
        metric: Metric = "euclidean",
    ) -> None:
        check_arguments(
            CONSTRAINTS,
            type(self).__name__,
            in_channels=in_channels,
            num_anchors=num_anchors,
            network=network,
            alignment=alignment,
            extend_degree=extend_degree,
            eigen_solver=eigen_solver,
            generator=generator,
        )
        where = torch.get_default_device().type
        if generator and where not in (generator.device.type, "meta"):
            raise ValueError(
                f"generator is on {generator.device} and cannot draw weights on "
                f"{where}: use torch.Generator({where!r})"
            )
        # The degrees of a batch are noise to the network: see DegreeExtension.
        extend_degree = extend_degree and laplacian == "sym"
        embedding = ExactEmbedding(
            num_eigenvectors,
            num_neighbors=num_neighbors,
            bandwidth=bandwidth,
            laplacian="rw" if extend_degree else laplacian,
            drop_first=drop_first,
            solver=eigen_solver,
            alpha=alpha,
            metric=metric,
        )
        embedding.check_num_anchors(num_anchors)
        super().__init__()
        self.in_channels = int(in_channels)
        self.num_anchors = int(num_anchors)  # small NumPy integers overflow
        self.num_eigenvectors = embedding.num_eigenvectors
        self.embedding = embedding
        self.aligner = get_aligner(alignment)
        self.laplacian = laplacian
        self.extend_degree = extend_degree
        self.register_buffer("anchors", torch.zeros(num_anchors, in_channels))
        self.register_buffer("rows", torch.zeros(0, self.num_eigenvectors))
        self.register_buffer("nodes", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("num_nodes", torch.tensor(0))
        self.register_buffer("is_initialized", torch.tensor(False))
        self.register_buffer("bandwidths", torch.ones(num_anchors))
        self.standardization = Standardization(in_channels)
        own = nullcontext() if generator is None else OwnGenerator(generator)
        with own:
            # An empty nn.Sequential, the identity, is falsy.
            self.network = HiddenLayers(in_channels) if network is None else network
        # Compilation would fail in an OwnGenerator.
        with nullcontext() if is_compiled(self.network) else own:
            hidden_widths = _hidden_widths(self.network, in_channels)
        widths = [self.num_anchors, *hidden_widths]
        num_values = self.num_eigenvectors + NUM_BEYOND
        with own:
            self.output = OutputLayer(widths, self.num_eigenvectors, num_values)
        self.root_degree = DegreeExtension(in_channels)

    def reset_parameters(self) -> None:
        r"""Resets all learned parameters and buffers, and reinitializes the weights."""
        for module in self.modules():
            reset = getattr(module, "reset_parameters", None)
            if module is not self and callable(reset):
                reset()
        self.output.forget()
        self.forget()

    def forget(self) -> None:
        r"""Discards the reference."""
        self.anchors.zero_()
        self.nodes, self.rows = self.nodes[:0], self.rows[:0]
        self.num_nodes.zero_()
        self.is_initialized.fill_(False)
        self.bandwidths.fill_(1)

    def keep(self, reference: Reference) -> None:
        r"""Copies a reference into the buffers."""
        self.anchors.copy_(reference.anchors)
        self.nodes = reference.nodes.to(self.nodes.device)
        self.rows = reference.rows.to(self.rows)
        self.num_nodes.fill_(reference.num_nodes)
        self.is_initialized.fill_(True)
        self.bandwidths.copy_(neighbor_bandwidths(self.anchors, KERNEL_NEIGHBOR))

    @torch.no_grad()
    def prepare(
        self, reference: Reference, x: Tensor, keep_distances: bool = True
    ) -> None:
        r"""Prepares the layer for training: stores the reference, and fits the
        standardization to a sample :obj:`x [n, d]`, with a single scale if
        :obj:`keep_distances`, see
        :class:`~pyg_basis.nn.standardization.Standardization`."""
        self.keep(reference)
        self.standardization.fit(x, keep_distances)
        self.output.forget()

    @property
    def reference(self) -> Reference:
        r"""The reference space, for an :class:`~pyg_basis.data.AnchorLoader`; raises a
        :class:`RuntimeError` if there is none yet."""
        if not self.is_initialized:
            raise RuntimeError(
                "this layer has no reference yet: call init_reference(x) with a sample "
                "of the training features, or load_state_dict"
            )
        self._check_precision()
        return Reference(
            # Rows and nodes are replaced by new tensors, anchors are overwritten.
            self.anchors.clone(),
            self.rows,
            self.nodes,
            int(self.num_nodes),
            self.embedding,
            self.aligner,
        )

    @uncompiled
    @full_precision
    def targets(self, x: Tensor) -> Data:
        r"""Returns the batch of the new nodes :obj:`x [m - l, d]` and the anchors, with
        aligned targets, see :func:`~pyg_basis.algorithm.batch_targets`. If the layer
        extends degrees, the targets do not include them: they are of the random-walk
        form."""
        return batch_targets(self.reference, x)

    @torch.no_grad()
    def init_reference(
        self,
        x: Tensor,
        anchor_index: Tensor | None = None,
        reference_size: int = 10_000,
        seed: int = 0,
    ) -> None:
        r"""Fixes the reference space from a sample of the training features
        (Algorithm 1, step 1), and fits the degrees and the standardization.

        Args:
            x (Tensor): The sample, :obj:`[n, in_channels]`. A larger sample gives more
                accurate degrees, for which at most 10,000 nodes are used.
            anchor_index (Tensor, optional): Rows of the anchors in :obj:`x`,
                :obj:`[num_anchors]`; by default chosen by
                :func:`~pyg_basis.reference.choose_anchors`. Some are replaced if the
                anchors do not span the reference space. :obj:`nodes` begins with the
                anchors in use.
            reference_size (int, optional): Nodes of the reference set, including
                anchors. A larger set approximates the eigenvectors of a large graph
                better. (default: :obj:`10_000`)
            seed (int, optional): Seed of all sampling. (default: :obj:`0`)

        Raises:
            ValueError: If the sample's width is not :obj:`in_channels`, it has no nodes
                besides the anchors, or too few for the graph of a batch.
        """
        x = self._checked(x).to(self.anchors.device)
        reference, _ = fix_reference(
            x,
            self.num_anchors,
            self.embedding,
            self.aligner,
            anchor_index,
            reference_size,
            seed,
        )
        self.fit_degree(x, seed)
        self.prepare(reference, x)

    @torch.no_grad()
    @uncompiled
    @full_precision
    def update_reference(
        self,
        x: Tensor,
        alignment: AlignmentMethod | Aligner = "moments",
        momentum: float = 0.0,
    ) -> Movement:
        r"""Keeps the basis of the reference space after the features have changed
        (Algorithm 2; see :func:`~pyg_basis.algorithm.update_reference`).

        The standardization is fitted anew. For :obj:`laplacian="sym"`, the degrees are
        those of the features at :meth:`init_reference` until :meth:`fit_degree` is
        called.

        Args:
            x (Tensor): Present features of the nodes that :meth:`init_reference` was
                given, in the same order, :obj:`[n, in_channels]`.
            alignment (str or aligner, optional): How the map to the previous basis is
                fitted, see :func:`~pyg_basis.align.fit_affine`; :obj:`"lstsq"` as
                published. (default: :obj:`"moments"`)
            momentum (float, optional): The rows are an exponential average, with weight
                :obj:`1 - momentum` of the newest. (default: :obj:`0.0`)

        Returns:
            Movement: How far the space moved, and what was lost.

        Raises:
            RuntimeError: If there is no reference yet.
            ValueError: If the features have another shape, or are not finite. Nothing
                has changed then.

        Warns:
            RuntimeWarning: If directions were lost, or the anchors had to be chosen
                anew.
        """
        check_arguments(CONSTRAINTS, "update_reference", alignment=alignment)
        x = self._checked(x).to(self.anchors.device)
        reference, movement = update_reference(
            self.reference, x, get_aligner(alignment), momentum
        )
        self.keep(reference)
        self.standardization.fit(x, keep_distances=True)
        return movement

    @torch.no_grad()
    def fit_degree(self, x: Tensor, seed: int = 0) -> None:
        r"""Learns the degrees of the graph of a sample :obj:`x [n, d]`, of which at
        most 10,000 nodes are used. :meth:`init_reference` calls it; call it again when
        features have changed."""
        check_arguments(CONSTRAINTS, "fit_degree", seed=seed)
        if not self.extend_degree:
            return
        x = self._checked(x).to(self.anchors.device)
        generator = torch.Generator().manual_seed(int(seed))
        order = torch.randperm(x.size(0), generator=generator)
        sample = x[order[:DEGREE_SAMPLE].to(x.device)]
        self.root_degree.fit(sample, self.embedding.operator(sample).degree, generator)

    def forward(self, x: Tensor) -> Tensor:
        r"""Embeds points :obj:`x [n, d]` independently of each other, :obj:`[n, K]`."""
        x = self._checked(x)
        rows = self._rows(x)
        return rows * self.root_degree(x).unsqueeze(1) if self.extend_degree else rows

    def loss(self, x: Tensor | Data) -> Tensor:
        r"""Mean squared error between the output and the aligned eigenvectors
        (Eq. 15), over nodes and columns. :obj:`x` are new nodes :obj:`[m - l, d]` or a
        batch of :meth:`targets` or an :class:`AnchorLoader`. Gradients reach :obj:`x`
        through the network only; the targets are constants."""
        batch = x if isinstance(x, Data) else self.targets(x)
        # Worker processes make batches on the CPU. Data.to would move the caller's
        # batch in place.
        device = self.anchors.device
        rows = self._rows(self._checked(batch.x).to(device, non_blocking=True))
        if not isinstance(batch.y, Tensor) or batch.y.shape != rows.shape:
            raise ValueError(
                f"x.y must be targets of shape {tuple(rows.shape)}, one row a node of "
                f"x.x: pass a batch that targets or an AnchorLoader made"
            )
        return F.mse_loss(rows, batch.y.to(device, non_blocking=True))

    @torch.no_grad()
    @uncompiled
    @full_precision
    def read_out(
        self, x: Tensor | Data | Iterable[Tensor | Data], seed: int = 0
    ) -> RitzVectors | None:
        r"""Replaces the output layer of the trained network by the Laplacian
        eigenvectors in the span of :meth:`hidden`, by one Rayleigh-Ritz step, see
        :class:`~pyg_basis.readout.rayleigh_ritz.RayleighRitz`.

        The columns are ordered and nearly orthonormal. Their eigenvalues, and some
        more, are in :obj:`output.eigenvalues`. Signs, and the bases of nearly equal
        eigenvalues, follow the anchors' reference rows, or, without a reference, the
        present output. The degrees do not change, see :meth:`fit_degree`.

        Args:
            x (Tensor or Data or iterable): A sample of nodes :obj:`[n, d]`, whose graph
                is built like that of a batch; or a :class:`~torch_geometric.data.Data`
                with features :obj:`x` and the edges of a symmetric graph. The sample
                size determines which operator is approximated. Several samples of
                different nodes are used one after another until the vectors converge;
                averaging reduces their noise. The search directions are those in which
                the first sample varies.
            seed (int, optional): Seed of the random mixture of many hidden features.
                (default: :obj:`0`)

        Returns:
            RitzVectors: The vectors, and some more, as functions of :meth:`hidden`, or
            :obj:`None` if the output did not change.

        Raises:
            ValueError: If the features or the graph are invalid.

        Warns:
            UserWarning: If the hidden features do not span :math:`K` directions. The
                output does not change then.
        """
        check_arguments(CONSTRAINTS, "read_out", seed=seed)
        is_one = isinstance(x, (Tensor, Data))
        if not is_one and not isinstance(x, Iterable):
            raise ValueError(
                f"x must be a sample of nodes or several, got {type(x).__name__}: give "
                f"a tensor [n, {self.in_channels}], or a Data with x and edge_index"
            )
        graphs = map(self._graph_of, [x] if is_one else x)
        with evaluating(self):
            first = next(graphs, None)
            if first is None:
                raise ValueError(
                    "x holds no sample: give a sample of the training features"
                )
            # The number of samples is unknown.
            num_nodes = first.laplacian.num_nodes
            num_nodes = num_nodes if is_one else max(num_nodes, ENOUGH_NODES)
            moments = self.new_moments(first.x, num_nodes, seed)
            vectors = read_out(self, moments, chain([first], graphs))
        if vectors is None:
            warn(
                f"the hidden features do not span the num_eigenvectors="
                f"{self.num_eigenvectors} directions that are to be read out of them, "
                f"so the output layer stays as it was trained: use a wider network, or "
                f"more nodes"
            )
        return vectors

    def new_moments(
        self, x: Tensor, num_nodes: int, seed: int = 0, ranks: Ranks | None = None
    ) -> RayleighRitz:
        r"""Returns empty moments of the hidden features, for graphs of
        :obj:`num_nodes` nodes in total. Their directions are those of the nodes
        :obj:`x [n, d]`."""
        generator = torch.Generator().manual_seed(int(seed))
        num_vectors = self.embedding.num_pairs + NUM_BEYOND
        return RayleighRitz(
            self.hidden, x, num_nodes, num_vectors, generator, ranks=ranks
        )

    def _graph_of(self, sample: Tensor | Data) -> SampleGraph:
        """Returns the nodes and the graph Laplacian of a sample."""
        if isinstance(sample, Tensor):
            x = self._checked(sample).to(self.anchors.device)
            return SampleGraph(x, self.embedding.operator(x))
        if not isinstance(sample, Data) or sample.x is None:
            raise ValueError(
                f"x holds a {type(sample).__name__}: give a tensor [n, "
                f"{self.in_channels}], or a Data with x and edge_index"
            )
        graph = GivenGraph.from_data(sample, self.embedding.alpha)
        x = self._checked(sample.x).to(self.anchors.device)
        if len(x) != graph.num_nodes:
            raise ValueError(
                f"x has features of {len(x)} nodes and edges among "
                f"num_nodes={graph.num_nodes}: give every node a row of x"
            )
        if graph.weight.nnz == 0:
            raise ValueError(
                "x has no edges of positive weight, and no eigenvectors to be read "
                "out: give a graph with edges, or a tensor of points"
            )
        return SampleGraph(x, graph.laplacian(self.embedding.laplacian))

    def known_rows(self, moments: RayleighRitz) -> tuple[Tensor, Tensor]:
        r"""Returns nodes :obj:`[m, d]`, and the rows :obj:`[m, K]` whose signs a
        read-out adopts: those of the anchors, or, without a reference, of the nodes of
        the moments."""
        if self.is_initialized:
            return self.anchors, self.reference.anchor_rows
        return moments.x, self._rows(moments.x)

    def hidden(self, x: Tensor) -> Tensor:
        r"""Returns the input of the output layer for points :obj:`x [n, d]`,
        :obj:`[n, l + h]`: Gaussian kernels at the :math:`l` anchors, zero without a
        reference, and the hidden features of all layers that the network returns.

        The kernels, as in a Nyström extension, separate points that a network does not
        separate after a few training steps.
        """
        return torch.cat(self.hidden_layers(x), dim=1)

    def hidden_layers(self, x: Tensor) -> list[Tensor]:
        r"""Returns the parts of :meth:`hidden`: the kernels :obj:`[n, l]`, and the
        outputs :obj:`[n, h_i]` of the network's layers."""
        x = self._checked(x)
        # Only the network runs under autocast.
        given = self.network(self.standardization(x))
        layers = given if isinstance(given, tuple) else (given,)
        shapes = [tuple(layer.shape) for layer in layers]
        expected = [(x.size(0), width) for width in self.output.widths[1:]]
        if shapes != expected:
            raise ValueError(
                f"network gives shapes {shapes} for {x.size(0)} nodes, expected "
                f"{expected}: its widths must not change"
            )
        return [self._kernels(x), *(layer.to(x.dtype) for layer in layers)]

    @full_precision
    def _kernels(self, x: Tensor) -> Tensor:
        kernels = gaussian_kernels(x, self.anchors, self.bandwidths)
        return kernels * self.is_initialized

    def _rows(self, x: Tensor) -> Tensor:
        """Rows to compare with the targets: without the degree factor."""
        rows: Tensor = self.output(*self.hidden_layers(x))
        return rows

    def _checked(self, x: Tensor) -> Tensor:
        """Validated features, as distances use them, in the layer's dtype."""
        self._check_precision()
        return self.embedding.points(x, self.in_channels).to(self.anchors.dtype)

    def _check_precision(self) -> None:
        # In float16 and bfloat16, neighbors and degrees near the anchors differ by
        # rounding.
        if self.anchors.dtype.itemsize < 4:
            raise RuntimeError(
                f"this layer is in {self.anchors.dtype}, which is too coarse for the "
                f"distances between points: keep it in float32 (it takes features of "
                f"any dtype) and run its network in less by torch.autocast"
            )

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any
    ) -> None:
        for name in OF_ANY_LENGTH:
            saved, buffer = state_dict.get(prefix + name), getattr(self, name)
            if isinstance(saved, Tensor) and saved.shape[1:] == buffer.shape[1:]:
                setattr(self, name, buffer.new_zeros(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.in_channels}, {self.num_eigenvectors}, "
            f"num_anchors={self.num_anchors}, laplacian={self.laplacian!r})"
        )


def _hidden_widths(network: nn.Module, in_channels: int) -> list[int]:
    """Returns the widths of a network's layers, by a pass of two rows, in which lazy
    layers initialize their weights."""
    like = next(network.parameters(), torch.zeros(()))
    x = torch.zeros(2, in_channels, dtype=like.dtype, device=like.device)
    # The default device may differ, as for a layer created on meta.
    with torch.no_grad(), evaluating(network), like.device:
        given = network(x)
    layers = given if isinstance(given, tuple) else (given,)
    for layer in layers:
        shape = tuple(getattr(layer, "shape", ()))
        if len(shape) != 2 or shape[0] != 2 or shape[1] == 0:
            raise ValueError(
                f"network gives {shape or type(layer).__name__} for 2 nodes of "
                f"{in_channels} features: it must give hidden features [2, h], or a "
                f"tuple of several layers' outputs"
            )
    return [layer.size(1) for layer in layers]
