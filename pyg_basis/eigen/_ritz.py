from typing import NamedTuple

import torch
from torch import Tensor

from pyg_basis.eigen._orthonormal_basis import orthonormal_basis


class Ritz(NamedTuple):
    r"""Ritz vectors, their images and their values, which ascend."""

    x: Tensor
    image: Tensor
    values: Tensor


def ritz_pairs(matrix: Tensor, block: Tensor, spare: Tensor | None = None) -> Ritz:
    r"""The Ritz vectors of the span of a block, :obj:`[n, p]`, which is overwritten, as
    is spare memory of the same shape, if it is given.

    New memory would take about as long as a product.
    """
    basis = orthonormal_basis(block, spare)
    free = spare if basis is block else block
    image = matrix @ basis
    values, rotation = small_eigh(basis.t() @ image)
    x = torch.mm(basis, rotation, out=free)
    return Ritz(x, torch.mm(image, rotation, out=basis), values)


def small_eigh(gram: Tensor) -> tuple[Tensor, Tensor]:
    r"""Eigenvalues and eigenvectors of a few dozen rows, symmetric but for roundoff."""
    # In host memory: there the decomposition of a few dozen rows is quicker than
    # its launches on an accelerator.
    host = gram.cpu()
    values, rotation = torch.linalg.eigh((host + host.t()) / 2)
    return values.to(gram.device), rotation.to(gram.device)
