from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_basis._precision import full_precision, uncompiled
from pyg_basis.algorithm import batch_targets
from pyg_basis.align import Aligner
from pyg_basis.reference import ExactEmbedding, Reference

# Buffers of the length of the reference set, which is initially unknown.
OF_ANY_LENGTH = ("nodes", "rows")


class ReferenceSpace(nn.Module):
    r"""Stores a :class:`~pyg_basis.reference.Reference` in buffers, which
    :meth:`state_dict` saves and :meth:`to` moves.

    Args:
        in_channels (int): Width of the features :math:`d`.
        num_anchors (int): Number of anchors :math:`l`.
        embedding (ExactEmbedding): How batches are embedded.
        aligner (LeastSquares or RANSAC or Orthogonal or MomentPreserving): How they
            are aligned to the anchors.
    """

    anchors: Tensor
    rows: Tensor
    nodes: Tensor
    num_nodes: Tensor
    is_initialized: Tensor

    def __init__(
        self,
        in_channels: int,
        num_anchors: int,
        embedding: ExactEmbedding,
        aligner: Aligner,
    ) -> None:
        super().__init__()
        self.in_channels = int(in_channels)
        self.num_anchors = int(num_anchors)  # small NumPy integers overflow
        self.num_eigenvectors = embedding.num_eigenvectors
        self.embedding = embedding
        self.aligner = aligner
        self.register_buffer("anchors", torch.zeros(num_anchors, in_channels))
        self.register_buffer("rows", torch.zeros(0, self.num_eigenvectors))
        self.register_buffer("nodes", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("num_nodes", torch.tensor(0))
        self.register_buffer("is_initialized", torch.tensor(False))

    def forget(self) -> None:
        r"""Discards the reference."""
        self.anchors.zero_()
        self.nodes, self.rows = self.nodes[:0], self.rows[:0]
        self.num_nodes.zero_()
        self.is_initialized.fill_(False)

    def keep(self, reference: Reference) -> None:
        r"""Copies a reference into the buffers."""
        self.anchors.copy_(reference.anchors)
        self.nodes = reference.nodes.to(self.nodes.device)
        self.rows = reference.rows.to(self.rows)
        self.num_nodes.fill_(reference.num_nodes)
        self.is_initialized.fill_(True)

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
