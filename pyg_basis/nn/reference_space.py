from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_basis.align.fit_affine import Aligner
from pyg_basis.eigen.filter_window import MOST_GUARDS
from pyg_basis.loader import (
    AnchorReference,
    ExactEmbedding,
    MovingReference,
    WarmStart,
)
from pyg_basis.nn._full_precision import full_precision
from pyg_basis.nn._uncompiled import uncompiled

# Buffers as long as the reference set, which is not known before there is one.
OF_ANY_LENGTH = ("nodes", "rows")


class ReferenceSpace(nn.Module):
    r"""Keeps a :class:`~pyg_basis.loader.MovingReference` in buffers: what
    :meth:`state_dict` saves and :meth:`to` moves.

    Args:
        in_channels (int): Width of the features :math:`d`.
        num_anchors (int): Number of anchors :math:`l`.
        embedding (ExactEmbedding): How batches are embedded.
        aligner (LeastSquares or RANSAC or Orthogonal or MomentPreserving): How they
            are aligned to the anchors.
        num_oversamples (int, optional): Eigenvectors of a batch that the alignment
            may draw on beyond the first. (default: :obj:`0`)
    """

    anchors: Tensor
    reference: Tensor
    start: Tensor
    window: Tensor
    nodes: Tensor
    rows: Tensor
    num_nodes: Tensor
    is_initialized: Tensor

    def __init__(
        self,
        in_channels: int,
        num_anchors: int,
        embedding: ExactEmbedding,
        aligner: Aligner,
        num_oversamples: int = 0,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.num_anchors = num_anchors
        self.num_eigenvectors = embedding.num_eigenvectors
        self.embedding = embedding
        self.aligner = aligner
        self.num_oversamples = num_oversamples
        self.register_buffer("anchors", torch.zeros(num_anchors, in_channels))
        self.register_buffer(
            "reference", torch.zeros(num_anchors, self.num_eigenvectors)
        )
        width = embedding.num_pairs + num_oversamples + MOST_GUARDS
        self.register_buffer("start", torch.zeros(num_anchors, width))
        self.register_buffer("window", torch.zeros(4, dtype=torch.float64))
        self.register_buffer("nodes", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("rows", torch.zeros(0, self.num_eigenvectors))
        self.register_buffer("num_nodes", torch.tensor(0))
        self.register_buffer("is_initialized", torch.tensor(False))
        self._prepared: tuple[list[int], AnchorReference] | None = None

    def forget(self) -> None:
        r"""Back to no reference."""
        for buffer in (self.anchors, self.reference, self.start, self.window):
            buffer.zero_()
        self.nodes, self.rows = self.nodes[:0], self.rows[:0]
        self.num_nodes.zero_()
        self.is_initialized.fill_(False)

    def keep(self, moving: MovingReference) -> None:
        r"""Writes a reference into the buffers."""
        self.anchors.copy_(moving.reference.anchors)
        self.reference.copy_(moving.reference.rows)
        if moving.reference.start is not None:
            moving.reference.start.pack(self.start, self.window)
        self.nodes = moving.nodes.to(self.nodes.device)
        self.rows = moving.rows.to(self.rows)
        self.num_nodes.fill_(moving.num_nodes)
        self.is_initialized.fill_(True)

    @uncompiled
    @full_precision
    def targets(self, x: Tensor) -> Data:
        r"""The batch of the new nodes :obj:`x [m - l, d]` and the anchors, with
        aligned targets (Algorithm 1, steps 2-4; see
        :meth:`~pyg_basis.loader.AnchorReference.targets`). Where a layer extends
        degrees, they are of the random-walk form, not yet multiplied by them."""
        return self.anchor_reference().targets(x)

    def anchor_reference(self) -> AnchorReference:
        r"""The reference space by itself, for an
        :class:`~pyg_basis.loader.AnchorLoader`; a :class:`RuntimeError` if there is
        none yet."""
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
        self._check_precision()
        start = WarmStart.unpacked(self.start, self.window)
        self._prepared = (
            version,
            AnchorReference(
                self.anchors,
                self.reference,
                self.embedding,
                self.aligner,
                start,
                self.num_oversamples,
            ),
        )
        return self._prepared[1]

    def moving_reference(self) -> MovingReference:
        r"""The reference with all its nodes, which can follow their features; a
        :class:`RuntimeError` if there is none yet."""
        reference = self.anchor_reference()
        return MovingReference(reference, self.nodes, self.rows, int(self.num_nodes))

    def _check_precision(self) -> None:
        # Near the anchors, float16 and bfloat16 tell neighbours and degrees apart
        # by their rounding.
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

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_prepared": None}
