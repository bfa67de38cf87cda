from collections.abc import Iterable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_basis.align.fit_affine import (
    Aligner,
    AlignmentMethod,
    get_aligner,
    keeps_width,
)
from pyg_basis.loader import (
    ExactEmbedding,
    Movement,
    MovingReference,
)
from pyg_basis.nn._default_network import default_network
from pyg_basis.nn._full_precision import full_precision
from pyg_basis.nn._uncompiled import uncompiled
from pyg_basis.nn.degree_extension import DEGREE_SAMPLE, DegreeExtension
from pyg_basis.nn.orthonormalization import Orthonormalization
from pyg_basis.nn.reference_space import ReferenceSpace
from pyg_basis.nn.standardization import Standardization


class BASiSLayer(ReferenceSpace):
    r"""Maps features to the Laplacian eigenvectors of their graph, from
    `"BASiS: Batch Aligned Spectral Embedding Space"
    <https://arxiv.org/abs/2211.16960>`_ (Algorithm 1).

    .. math::
        f(x) = d(x)^{1/2} \, g(x) \, M

    The network :math:`g` regresses the eigenvectors of the random walk, which
    vary smoothly with the features; for :obj:`laplacian="sym"` they are
    multiplied by the square root of the learned degree (see
    :class:`DegreeExtension`). The matrix :math:`M`, the identity until
    :meth:`orthonormalize`, undoes the shrinkage of the regression (see
    :class:`Orthonormalization`). Anchors, their reference rows and all else
    that is fitted live in buffers: :meth:`state_dict` restores it, in a layer
    built with the same arguments. Under :class:`torch.autocast` the network alone
    runs in lower precision.

    Args:
        in_channels (int): Width of the features :math:`d`.
        num_eigenvectors (int): Columns of the embedding :math:`K`.
        num_anchors (int, optional): Number of anchors :math:`l`.
            (default: :obj:`250`)
        network (torch.nn.Module, optional): Any module that maps standardised
            features :obj:`[n, in_channels]` to :obj:`[n, num_eigenvectors]`;
            by default an :class:`~torch_geometric.nn.MLP` of five linear
            layers with ReLU. (default: :obj:`None`)
        num_neighbors (int, optional): Neighbours of a node in a batch's graph.
            (default: :obj:`50`)
        bandwidth (str or float, optional): See
            :func:`~pyg_basis.graph.affinity`. (default: :obj:`"self_tuning"`)
        laplacian (str, optional): :obj:`"sym"`, :obj:`"rw"` or :obj:`"comb"`.
            (default: :obj:`"sym"`)
        drop_trivial (bool, optional): Leave out the trivial eigenvector.
            (default: :obj:`False`)
        alignment (str or aligner, optional): See
            :func:`~pyg_basis.align.fit_affine`. (default: :obj:`"lstsq"`)
        extend_degree (bool, optional): For :obj:`laplacian="sym"`: regress the
            eigenvectors of the random walk, as above; else, as published, those of
            the batches' normalised Laplacians, with the degrees of batches as a
            factor. (default: :obj:`True`)
        num_oversamples (int, optional): Eigenvectors of a batch that the alignment
            may draw on beyond the first :math:`K`: for a reference set that is larger
            than batches, as not all of its eigenvectors are among a batch's first
            where no gap follows. (default: :obj:`0`)

    Shapes: features :obj:`[n, d]` of any number of nodes to the embedding
    :obj:`[n, K]`, mean square 1 per column.
    """

    def __init__(
        self,
        in_channels: int,
        num_eigenvectors: int,
        num_anchors: int = 250,
        network: nn.Module | None = None,
        num_neighbors: int = 50,
        bandwidth: Literal["self_tuning", "global"] | float = "self_tuning",
        laplacian: Literal["sym", "rw", "comb"] = "sym",
        drop_trivial: bool = False,
        alignment: AlignmentMethod | Aligner = "lstsq",
        extend_degree: bool = True,
        num_oversamples: int = 0,
    ) -> None:
        is_constant = laplacian != "sym" or extend_degree  # the trivial column
        least = num_eigenvectors + num_oversamples
        least += int(drop_trivial or num_eigenvectors == 1 or not is_constant)
        if num_anchors < least:
            raise ValueError(
                f"num_anchors={num_anchors} cannot fix an affine map of "
                f"num_eigenvectors={num_eigenvectors} columns: use at least {least}, "
                f"better ten times as many"
            )
        # A batch's own degrees are noise to the network: see DegreeExtension.
        extend_degree = extend_degree and laplacian == "sym"
        embedding = ExactEmbedding(
            num_eigenvectors,
            num_neighbors=num_neighbors,
            bandwidth=bandwidth,
            laplacian="rw" if extend_degree else laplacian,
            drop_trivial=drop_trivial,
        )
        aligner = get_aligner(alignment)
        if num_oversamples > 0 and keeps_width(aligner):
            raise ValueError(
                f"num_oversamples={num_oversamples} needs an alignment that takes more "
                f"columns than it gives: use alignment='lstsq' or 'ransac', or "
                f"num_oversamples=0"
            )
        super().__init__(in_channels, num_anchors, embedding, aligner, num_oversamples)
        self.laplacian = laplacian
        self.extend_degree = extend_degree
        self.standardization = Standardization(in_channels)
        if network is None:
            network = default_network(in_channels, num_eigenvectors)
        self.network = network
        self.degree = DegreeExtension(in_channels)
        self.orthonormalization = Orthonormalization(num_eigenvectors)

    def reset_parameters(self) -> None:
        r"""Forgets everything learned, and draws the weights anew."""
        for module in self.modules():
            reset = getattr(module, "reset_parameters", None)
            if module is not self and callable(reset):
                reset()
        self.forget()

    @torch.no_grad()
    def init_reference(
        self,
        x: Tensor,
        anchor_index: Tensor | None = None,
        reference_size: int = 512,
        batch_size: int | None = None,
        seed: int = 0,
    ) -> None:
        r"""Fixes the reference space from a sample of the training features
        (Algorithm 1, step 1), and the statistics that go with it.

        Args:
            x (Tensor): The sample, :obj:`[n, in_channels]`. The more, the
                better the degrees are known; 10,000 are used at most.
            anchor_index (Tensor, optional): Rows of the anchors in :obj:`x`,
                :obj:`[num_anchors]`; by default chosen by
                :func:`~pyg_basis.loader.choose_anchors`. Some are exchanged where
                they leave a direction open; :obj:`nodes` begins with those in use.
            reference_size (int, optional): Nodes of the reference set, anchors
                included. The more, the closer the reference is to the eigenvectors of
                a large set; use :obj:`num_oversamples` then. (default: :obj:`512`)
            batch_size (int, optional): Nodes that batches will have, anchors
                included, where that is less. (default: :obj:`None`)
            seed (int, optional): Seed of the draws. (default: :obj:`0`)

        Raises:
            ValueError: If the sample's width is not :obj:`in_channels`, it has
                no node beside the anchors, or too few for a batch's graph.
        """
        x = self._checked(x).to(self.anchors.device)
        moving = MovingReference.from_sample(
            x,
            self.num_anchors,
            self.embedding,
            self.aligner,
            anchor_index,
            reference_size,
            batch_size,
            self.num_oversamples,
            seed,
        )
        self.fit_degree(x, seed)
        self.keep(moving)
        self.standardization.fit(x)
        self.orthonormalization.reset_parameters()

    @torch.no_grad()
    @uncompiled
    @full_precision
    def update_reference(
        self,
        x: Tensor,
        alignment: AlignmentMethod | Aligner = "moments",
        momentum: float = 0.0,
    ) -> Movement:
        r"""Keeps the reference space in its basis when the features have changed
        (Algorithm 2; see :meth:`~pyg_basis.loader.MovingReference.updated`).

        The features' standardisation follows. The degrees, a factor of the output for
        :obj:`laplacian="sym"`, are those of the features at :meth:`init_reference`
        until :meth:`fit_degree` is called.

        Args:
            x (Tensor): Present features of the nodes that :meth:`init_reference` was
                given, in the same order, :obj:`[n, in_channels]`.
            alignment (str or aligner, optional): How the map to the previous basis is
                fitted, see :func:`~pyg_basis.align.fit_affine`; :obj:`"lstsq"` as
                published. (default: :obj:`"moments"`)
            momentum (float, optional): The map aims at an exponential average of all
                earlier rows, in which the newest have the weight
                :obj:`1 - momentum`. (default: :obj:`0.0`)

        Returns:
            Movement: How far the space moved, and what was lost.

        Raises:
            RuntimeError: If there is no reference yet.
            ValueError: If the features are of another shape, or not finite. Nothing
                has changed then.

        Warns:
            RuntimeWarning: If directions were lost, or the anchors had to be chosen
                anew.
        """
        x = self._checked(x).to(self.anchors.device)
        moving, movement = self.moving_reference().updated(
            x, get_aligner(alignment), momentum
        )
        self.keep(moving)
        self.standardization.fit(x)
        return movement

    @torch.no_grad()
    def fit_degree(self, x: Tensor, seed: int = 0) -> None:
        r"""Learns the degrees of the graph of a sample :obj:`x [n, d]`, of which
        10,000 nodes are used at most. :meth:`init_reference` does it; do it again
        when features have changed."""
        if self.laplacian == "comb":
            return
        x = self._checked(x).to(self.anchors.device)
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(x.size(0), generator=generator)
        sample = x[order[:DEGREE_SAMPLE].to(x.device)]
        self.degree.fit(sample, self.embedding.operator(sample).degree, generator)

    def forward(self, x: Tensor) -> Tensor:
        r"""The embedding :obj:`[n, K]` of points :obj:`x [n, d]`, each by itself."""
        x = self._checked(x)
        rows = self._rows(x)
        if self.extend_degree:
            rows = self._times_degree(rows, x)
        embedding: Tensor = self.orthonormalization(rows)
        return embedding

    def loss(self, x: Tensor | Data) -> Tensor:
        r"""Mean squared error between the network and the aligned
        eigenvectors (Eq. 15), over nodes and columns, for new nodes
        :obj:`x [m - l, d]` or a batch from :meth:`targets` or an
        :class:`AnchorLoader`. Gradients reach :obj:`x` through the network;
        the targets are constants."""
        # Worker processes make their batches on the CPU.
        batch = x if isinstance(x, Data) else self.targets(x)
        batch = batch.to(self.anchors.device, non_blocking=True)
        if not isinstance(batch.converged, Tensor):
            return F.mse_loss(self._rows(self._checked(batch.x)), batch.y)
        # Nobody has looked: what is no eigenvector is not learned. NaN is taken out
        # beforehand, as its gradient is NaN whatever it is multiplied by.
        x = torch.where(batch.converged, batch.x, 0.0)
        y = torch.where(batch.converged, batch.y, 0.0)
        return F.mse_loss(self._rows(self._checked(x)), y) * batch.converged

    @torch.no_grad()
    def orthonormalize(self, x: Tensor | Iterable[Tensor]) -> None:
        r"""Makes the columns orthonormal over a sample :obj:`x [n, d]` (weighted by
        the degrees for :obj:`laplacian="rw"`), once the network is trained. A large
        one may come as blocks of its rows, of which one is held at a time."""
        blocks = [x] if isinstance(x, Tensor) else x
        self.orthonormalization.fit(map(self._weighted_rows, blocks))

    def _weighted_rows(self, x: Tensor) -> Tensor:
        """The rows that are orthonormal without further weights."""
        x = self._checked(x)
        rows = self._rows(x)
        is_weighted = self.extend_degree or self.laplacian == "rw"
        return self._times_degree(rows, x) if is_weighted else rows

    def _times_degree(self, rows: Tensor, x: Tensor) -> Tensor:
        return rows * self.degree(x).unsqueeze(1)

    def _rows(self, x: Tensor) -> Tensor:
        """The network's rows, in the form of the targets."""
        # Autocast, where it is on, is for the network alone.
        rows: Tensor = self.network(self.standardization(x)).to(x.dtype)
        if rows.shape != (x.size(0), self.num_eigenvectors):
            raise ValueError(
                f"network gives shape {tuple(rows.shape)} for {x.size(0)} nodes, "
                f"expected ({x.size(0)}, {self.num_eigenvectors}): it must end in "
                f"num_eigenvectors columns"
            )
        return rows

    def _checked(self, x: Tensor) -> Tensor:
        """The features in the layer's dtype."""
        self._check_precision()
        if x.dim() != 2 or x.size(1) != self.in_channels:
            raise ValueError(
                f"x has shape {tuple(x.shape)}, expected [nodes, {self.in_channels}]: "
                f"this layer was made for in_channels={self.in_channels}"
            )
        return x.to(self.anchors.dtype)

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.in_channels}, {self.num_eigenvectors}, "
            f"num_anchors={self.num_anchors}, laplacian={self.laplacian!r})"
        )
