from typing import NamedTuple

import torch
from torch import Tensor

from pyg_basis.eigen._orthonormal_basis import orthonormal_basis


class Ritz(NamedTuple):
    r"""Ritz vectors, their images and their values, which ascend."""

    x: Tensor
    image: Tensor
    values: Tensor


def ritz_pairs(matrix: Tensor, block: Tensor) -> Ritz:
    r"""The Ritz vectors of the span of a block, :obj:`[n, p]`, which is overwritten."""
    basis = orthonormal_basis(block)
    image = matrix @ basis
    values, rotation = small_eigh(basis.t() @ image)
    # New memory would take about as long as a product.
    x = torch.mm(basis, rotation, out=block)
    return Ritz(x, torch.mm(image, rotation, out=basis), values)


def small_eigh(gram: Tensor) -> tuple[Tensor, Tensor]:
    r"""Eigenvalues and eigenvectors of a few dozen rows, symmetric but for roundoff."""
    # In host memory: there the decomposition of a few dozen rows is quicker than
    # its launches on an accelerator.
    host = gram.cpu()
    values, rotation = torch.linalg.eigh((host + host.t()) / 2)
    return values.to(gram.device), rotation.to(gram.device)
