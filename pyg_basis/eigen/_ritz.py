from typing import NamedTuple

import torch
from torch import Tensor


class Ritz(NamedTuple):
    r"""Ritz vectors, their images and their values, which ascend."""

    x: Tensor
    image: Tensor
    values: Tensor


def ritz_pairs(matrix: Tensor, basis: Tensor, size: int) -> Ritz:
    r"""The first :obj:`size` Ritz vectors of an orthonormal basis, :obj:`[n, p]`."""
    image = matrix @ basis
    values, rotation = small_eigh(basis.t() @ image)
    rotation = rotation[:, :size]
    return Ritz(basis @ rotation, image @ rotation, values[:size])


def small_eigh(gram: Tensor) -> tuple[Tensor, Tensor]:
    r"""Eigenvalues and eigenvectors of a few dozen rows, symmetric but for roundoff."""
    # In host memory: there the decomposition of a few dozen rows is quicker than
    # its launches on an accelerator.
    host = gram.cpu()
    values, rotation = torch.linalg.eigh((host + host.t()) / 2)
    return values.to(gram.device), rotation.to(gram.device)
