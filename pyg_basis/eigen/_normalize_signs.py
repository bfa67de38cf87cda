import torch
from torch import Tensor

# Entries this close to the largest magnitude, relatively, count as equal to it, so
# that in symmetric graphs the choice among equals is not made by roundoff.
TIE = 1e-3


def normalize_signs(vectors: Tensor) -> Tensor:
    r"""Flips columns so that each one's entry of largest magnitude is positive.

    Among entries of nearly equal magnitude the one of lowest index decides.

    Args:
        vectors (Tensor): Columns, shape :obj:`[*, n, k]`.
    """
    rows = vectors.mT.contiguous()  # torch's maxima along rows take half the time
    magnitude = rows.abs()
    tied = magnitude >= (1 - TIE) * magnitude.amax(dim=-1, keepdim=True)
    first = tied.to(torch.uint8).argmax(dim=-1, keepdim=True)
    is_negative = rows.gather(-1, first) < 0
    return vectors * torch.where(is_negative, -1.0, 1.0).to(vectors).mT
