import torch
from torch import Tensor

# Elements of one block of distances: small enough to bound memory (32 MiB in
# float64 on CPU), large enough to keep the matrix product busy.
_BLOCK_ELEMENTS_CPU = 1 << 22
_BLOCK_ELEMENTS_CUDA = 1 << 26


def candidates(points: Tensor, count: int) -> Tensor:
    r"""Nearest candidates :math:`[n, count]` by blocked matrix products and topk."""
    n = points.size(0)
    elements = _BLOCK_ELEMENTS_CUDA if points.is_cuda else _BLOCK_ELEMENTS_CPU
    rows = max(1, min(n, elements // n))
    square = points.square().sum(dim=1)
    # One buffer for all blocks: fresh pages for each cost more than the product.
    buffer = points.new_empty(rows, n)
    index = torch.empty(n, count, dtype=torch.long, device=points.device)
    for start in range(0, n, rows):
        block = points[start : start + rows]
        stop = start + block.size(0)
        # |b|^2 - 2ab orders the nodes b as |a - b|^2 does.
        distance = buffer[: block.size(0)]
        torch.addmm(square, block, points.t(), alpha=-2, out=distance)
        distance[:, start:stop].fill_diagonal_(torch.inf)
        index[start:stop] = distance.topk(
            count, dim=1, largest=False, sorted=False
        ).indices
    return index
