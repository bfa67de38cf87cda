from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_basis.align.fit_affine import Aligner, AlignmentMethod, get_aligner
from pyg_basis.eigen.filter_window import MOST_GUARDS
from pyg_basis.loader import (
    AnchorReference,
    ExactEmbedding,
    WarmStart,
    choose_anchors,
)
from pyg_basis.nn._default_network import default_network
from pyg_basis.nn.degree_extension import DEGREE_SAMPLE, DegreeExtension
from pyg_basis.nn.orthonormalization import Orthonormalization
from pyg_basis.nn.standardization import Standardization


class BASiSLayer(nn.Module):
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
    built with the same arguments.

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

    Shapes: features :obj:`[n, d]` of any number of nodes to the embedding
    :obj:`[n, K]`, mean square 1 per column.
    """

    anchors: Tensor
    reference: Tensor
    start: Tensor
    window: Tensor
    is_initialized: Tensor

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
    ) -> None:
        super().__init__()
        is_constant = laplacian != "sym" or extend_degree  # the trivial column
        least = num_eigenvectors + int(
            drop_trivial or num_eigenvectors == 1 or not is_constant
        )
        if num_anchors < least:
            raise ValueError(
                f"num_anchors={num_anchors} cannot fix an affine map of "
                f"num_eigenvectors={num_eigenvectors} columns: use at least {least}, "
                f"better ten times as many"
            )
        self.in_channels = in_channels
        self.num_eigenvectors = num_eigenvectors
        self.num_anchors = num_anchors
        self.laplacian = laplacian
        self.aligner = get_aligner(alignment)
        self.extend_degree = extend_degree and laplacian == "sym"
        # A batch's own degrees are noise to the network: see DegreeExtension.
        self.embedding = ExactEmbedding(
            num_eigenvectors,
            num_neighbors=num_neighbors,
            bandwidth=bandwidth,
            laplacian="rw" if self.extend_degree else laplacian,
            drop_trivial=drop_trivial,
        )
        self.standardization = Standardization(in_channels)
        if network is None:
            network = default_network(in_channels, num_eigenvectors)
        self.network = network
        self.degree = DegreeExtension(in_channels)
        self.orthonormalization = Orthonormalization(num_eigenvectors)
        self.register_buffer("anchors", torch.zeros(num_anchors, in_channels))
        self.register_buffer("reference", torch.zeros(num_anchors, num_eigenvectors))
        width = self.embedding.num_pairs + MOST_GUARDS
        self.register_buffer("start", torch.zeros(num_anchors, width))
        self.register_buffer("window", torch.zeros(4, dtype=torch.float64))
        self.register_buffer("is_initialized", torch.tensor(False))
        self._prepared: tuple[list[int], AnchorReference] | None = None

    def reset_parameters(self) -> None:
        r"""Forgets everything learned, and draws the weights anew."""
        for module in self.modules():
            reset = getattr(module, "reset_parameters", None)
            if module is not self and callable(reset):
                reset()
        for buffer in (self.anchors, self.reference, self.start, self.window):
            buffer.zero_()
        self.is_initialized.fill_(False)

    @torch.no_grad()
    def init_reference(
        self,
        x: Tensor,
        anchor_index: Tensor | None = None,
        reference_size: int = 512,
        seed: int = 0,
    ) -> None:
        r"""Fixes the reference space from a sample of the training features
        (Algorithm 1, step 1), and the statistics that go with it.

        Args:
            x (Tensor): The sample, :obj:`[n, in_channels]`. The more, the
                better the degrees are known; 10,000 are used at most.
            anchor_index (Tensor, optional): Rows of the anchors in :obj:`x`,
                :obj:`[num_anchors]`; by default chosen by
                :func:`~pyg_basis.loader.choose_anchors`.
            reference_size (int, optional): Nodes of the reference set; best as
                many as batches will have, anchors included, so that their spectra
                are alike. (default: :obj:`512`)
            seed (int, optional): Seed of the draws. (default: :obj:`0`)

        Raises:
            ValueError: If the sample's width is not :obj:`in_channels`, it has
                no node beside the anchors, or too few for a batch's graph.
        """
        x = self._checked(x).to(self.anchors.device)
        if anchor_index is None:
            anchor_index = choose_anchors(x, self.num_anchors, seed=seed)
        distinct = anchor_index.unique()
        in_range = bool(((distinct >= 0) & (distinct < x.size(0))).all())
        if distinct.shape != (self.num_anchors,) or not in_range:
            raise ValueError(
                f"anchor_index must hold num_anchors={self.num_anchors} different rows "
                f"of x, from 0 to {x.size(0) - 1}, got {distinct.numel()} different "
                f"ones in shape {tuple(anchor_index.shape)}"
            )
        if not self.num_anchors < min(reference_size, x.size(0)):
            raise ValueError(
                f"num_anchors={self.num_anchors} leaves no other node in a reference "
                f"set of {min(reference_size, x.size(0))}: use fewer anchors, a larger "
                f"reference_size or a larger sample"
            )
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(x.size(0), generator=generator)
        others = order[~torch.isin(order, anchor_index.cpu())]
        reference = AnchorReference.from_sample(
            x[anchor_index.to(x.device)],
            x[others[: reference_size - self.num_anchors].to(x.device)],
            self.embedding,
            self.aligner,
        )
        if self.laplacian != "comb":
            sample = x[order[:DEGREE_SAMPLE].to(x.device)]
            self.degree.fit(sample, self.embedding.operator(sample).degree, generator)
        self.anchors.copy_(reference.anchors)
        self.reference.copy_(reference.rows)
        if reference.start is not None:
            reference.start.pack(self.start, self.window)
        self.standardization.fit(x)
        self.orthonormalization.reset_parameters()
        self.is_initialized.fill_(True)

    def forward(self, x: Tensor) -> Tensor:
        r"""The embedding :obj:`[n, K]` of points :obj:`x [n, d]`, each by itself."""
        x = self._checked(x)
        rows = self._rows(x)
        if self.extend_degree:
            rows = self._times_degree(rows, x)
        embedding: Tensor = self.orthonormalization(rows)
        return embedding

    def targets(self, x: Tensor) -> Data:
        r"""The batch of the new nodes :obj:`x [m - l, d]` and the anchors, with
        aligned targets (Algorithm 1, steps 2-4; see
        :meth:`AnchorReference.targets`). With :obj:`extend_degree` they are
        of the random-walk form, not yet multiplied by the degrees."""
        return self.anchor_reference().targets(x)

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

    def anchor_reference(self) -> AnchorReference:
        r"""The reference space by itself, for an :class:`AnchorLoader`; a
        :class:`RuntimeError` if there is none yet."""
        # What can be prepared of the anchors is, once, for as long as they last.
        buffers = list(self.buffers(recurse=False))
        versions = [0 if kept.is_inference() else kept._version for kept in buffers]
        version = [*map(id, buffers), *versions]
        if self._prepared is not None and self._prepared[0] == version:
            return self._prepared[1]
        if not self.is_initialized:
            raise RuntimeError(
                "this layer has no reference yet: call init_reference(x) with a sample "
                "of the training features, or load_state_dict"
            )
        start = WarmStart.unpacked(self.start, self.window)
        space = self.anchors, self.reference, self.embedding, self.aligner, start
        self._prepared = version, AnchorReference(*space)
        return self._prepared[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_prepared": None}

    @torch.no_grad()
    def orthonormalize(self, x: Tensor) -> None:
        r"""Makes the columns orthonormal over a sample :obj:`x [n, d]` (weighted by
        the degrees for :obj:`laplacian="rw"`), once the network is trained."""
        x = self._checked(x)
        rows = self._rows(x)
        is_weighted = self.extend_degree or self.laplacian == "rw"
        weighted = self._times_degree(rows, x) if is_weighted else rows
        self.orthonormalization.fit(weighted)

    def _times_degree(self, rows: Tensor, x: Tensor) -> Tensor:
        return rows * self.degree(x).unsqueeze(1)

    def _rows(self, x: Tensor) -> Tensor:
        """The network's rows, in the form of the targets."""
        rows: Tensor = self.network(self.standardization(x))
        if rows.shape != (x.size(0), self.num_eigenvectors):
            raise ValueError(
                f"network gives shape {tuple(rows.shape)} for {x.size(0)} nodes, "
                f"expected ({x.size(0)}, {self.num_eigenvectors}): it must end in "
                f"num_eigenvectors columns"
            )
        return rows

    def _checked(self, x: Tensor) -> Tensor:
        """The features in the layer's dtype."""
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
