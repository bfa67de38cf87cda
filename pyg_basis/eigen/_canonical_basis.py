import torch
from torch import Tensor

# Entries this close to the largest magnitude, relatively, count as equal to it, so that
# in symmetric graphs rounding does not decide among equal entries.
TIE = 1e-3


def normalize_signs(vectors: Tensor) -> Tensor:
    r"""Flips columns so that the entry of largest magnitude of each is positive.

    Among entries of nearly equal magnitude, the one of lowest index counts.

    Args:
        vectors (Tensor): Columns, shape :obj:`[*, n, k]`.
    """
    rows = vectors.mT.contiguous()  # maxima along rows take half the time in torch
    first = _first_of_the_largest(rows.abs())
    is_negative = rows.gather(-1, first) < 0
    return vectors * torch.where(is_negative, -1.0, 1.0).to(vectors).mT


def canonical_basis(vectors: Tensor, is_new: Tensor, trivial: Tensor, k: int) -> Tensor:
    r"""Replaces the basis of each eigenspace by one that depends only on the space and
    the order of the nodes, up to signs.

    It is a Gram-Schmidt orthogonalization of the columns of the projector onto the
    space. Each step takes the column with the largest remainder, the first among nearly
    equal ones. The first eigenspace starts with the trivial vector instead.

    Args:
        vectors (Tensor): Orthonormal columns, whole eigenspaces one after the other,
            shape :obj:`[*, n, m]`. They are overwritten.
        is_new (Tensor): Whether a column is the first of its eigenspace, :obj:`[*, m]`.
        trivial (Tensor): A vector in the first eigenspace, shape :obj:`[*, n]`.
        k (int): The number of columns to return.

    Returns:
        Tensor: The first :obj:`k` columns, shape :obj:`[*, n, k]`.
    """
    space = is_new.cumsum(dim=-1)
    for column in range(k):
        is_free = space[..., column:] == space[..., column, None]
        width = int(is_free.sum(dim=-1).max())
        if width == 1:
            continue
        # The rest of the space, as coefficients of the projector's columns.
        rest = vectors[..., column : column + width]
        rows = rest * is_free[..., None, :width]
        if column == 0:
            direction = trivial.unsqueeze(-2) @ rows
        else:
            node = _first_of_the_largest(rows.norm(dim=-1)).unsqueeze(-1)
            direction = rows.gather(-2, node.expand(*node.shape[:-1], width))
        direction = direction / direction.norm(dim=-1, keepdim=True)
        # A Householder reflection maps the first column there.
        first = direction[..., :1].clone()
        direction[..., :1] += torch.where(first < 0, -1.0, 1.0)
        rest -= (rest @ direction.mT) * (direction / (1 + first.abs()))
    return vectors[..., :k]


def _first_of_the_largest(magnitude: Tensor) -> Tensor:
    tied = magnitude >= (1 - TIE) * magnitude.amax(dim=-1, keepdim=True)
    return tied.to(torch.uint8).argmax(dim=-1, keepdim=True)
