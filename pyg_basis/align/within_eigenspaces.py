from itertools import pairwise

import torch
from torch import Tensor

# Neighboring eigenvalues with a smaller difference, relative to the larger one, count
# as equal: their order and their eigenvectors vary between samples.
NEAR = 0.05
# Smaller eigenvalues count as zero.
ZERO = 1e-6


def within_eigenspaces(rows: Tensor, reference: Tensor, values: Tensor) -> Tensor:
    r"""Returns the orthogonal matrix that aligns eigenvectors to reference rows without
    mixing different eigenvalues: a sign for a single eigenvector, the Procrustes
    rotation (`Schönemann 1966 <https://doi.org/10.1007/BF02289451>`_) for those of
    nearly equal eigenvalues.

    Args:
        rows (Tensor): Rows of the eigenvectors at some nodes, :obj:`[l, K]`.
        reference (Tensor): Reference rows of the same nodes, :obj:`[l, K]`.
        values (Tensor): The eigenvalues, ascending, :obj:`[K]`.

    Returns:
        Tensor: The block-diagonal rotation :obj:`[K, K]`, float64; the aligned rows are
        :obj:`rows @ rotation`.
    """
    rows, reference = rows.double(), reference.double().to(rows.device)
    near = values.diff() <= NEAR * values[1:] + ZERO
    starts = [0, *(int(i) + 1 for i in (~near).nonzero()), len(values)]
    rotation = rows.new_zeros(len(values), len(values))
    for start, stop in pairwise(starts):
        group = slice(start, stop)
        left, _, right = torch.linalg.svd(rows[:, group].T @ reference[:, group])
        rotation[group, group] = left @ right
    return rotation
