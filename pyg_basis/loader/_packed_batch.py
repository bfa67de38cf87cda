from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

# Every tensor begins at a multiple of the widest dtype.
ALIGNMENT = 16

Field = tuple[str, torch.dtype, torch.Size]


@dataclass(frozen=True, eq=False)
class PackedBatch:
    r"""A batch with all its tensors in one, for the way from a worker process.

    Each tensor is handed over as a file of shared memory, which takes a third of a
    millisecond, whatever its size: a batch of many tensors would take longer to
    receive than some to be computed.

    Args:
        buffer (Tensor): The bytes of all tensors.
        fields (list): Name, dtype and shape of each.
        others (dict): What is no tensor.
    """

    buffer: Tensor
    fields: list[Field]
    others: dict[str, Any]

    @classmethod
    def of(cls, batch: Data) -> "PackedBatch":
        r"""Packs a batch in host memory."""
        content = batch.to_dict()
        tensors = {
            k: value for k, value in content.items() if isinstance(value, Tensor)
        }
        fields = [(key, value.dtype, value.shape) for key, value in tensors.items()]
        buffer = torch.empty(sum(map(_padded_size, fields)), dtype=torch.uint8)
        others = {k: value for k, value in content.items() if k not in tensors}
        packed = cls(buffer, fields, others)
        for key, view in packed._views().items():
            view.copy_(tensors[key])
        return packed

    def unpack(self) -> Data:
        r"""The batch; its tensors share the memory of the buffer."""
        return Data.from_dict({**self._views(), **self.others})

    def pin_memory(self) -> "PackedBatch":
        r"""The same in page-locked memory, as :class:`torch.utils.data.DataLoader`
        asks for."""
        return replace(self, buffer=self.buffer.pin_memory())

    def _views(self) -> dict[str, Tensor]:
        views, start = {}, 0
        for field in self.fields:
            key, dtype, shape = field
            end = start + shape.numel() * dtype.itemsize
            views[key] = self.buffer[start:end].view(dtype).view(shape)
            start += _padded_size(field)
        return views


def _padded_size(field: Field) -> int:
    _, dtype, shape = field
    return -(-shape.numel() * dtype.itemsize // ALIGNMENT) * ALIGNMENT
