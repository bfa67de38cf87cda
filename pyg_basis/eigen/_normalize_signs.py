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
    magnitude = vectors.abs()
    tied = magnitude >= (1 - TIE) * magnitude.amax(dim=-2, keepdim=True)
    first = tied.to(torch.uint8).argmax(dim=-2, keepdim=True)
    is_negative = vectors.gather(-2, first) < 0
    return vectors * torch.where(is_negative, -1.0, 1.0).to(vectors)
