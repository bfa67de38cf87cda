from typing import NamedTuple

import torch
from torch import Tensor

# Minimum remainder of a unit column after orthogonalization against the previous ones,
# for Cholesky QR to be accurate in one pass, or in two.
LEFT_FOR_ONE, LEFT_FOR_TWO = 0.5, 0.01


class Ritz(NamedTuple):
    r"""Ritz vectors, their images and their values, ascending."""

    x: Tensor
    image: Tensor
    values: Tensor

    def residuals(self) -> Tensor:
        r"""Returns the norms of the residuals. The image is overwritten: new memory
        takes about as long as a product."""
        return self.image.addcmul_(self.x, self.values, value=-1).norm(dim=0)


def ritz_pairs(matrix: Tensor, block: Tensor, spare: Tensor | None = None) -> Ritz:
    r"""Returns the Ritz vectors in the span of a block of independent columns.

    Args:
        matrix (Tensor): A symmetric matrix, sparse or dense, :obj:`[n, n]`.
        block (Tensor): Independent columns, :obj:`[n, p]`, which are overwritten.
        spare (Tensor, optional): Memory of the same shape, which is overwritten. New
            memory takes about as long as a product. (default: :obj:`None`)
    """
    basis = _orthonormal_basis(block, spare)
    free = spare if basis is block else block
    image = matrix @ basis
    # In host memory, where the decomposition of a few dozen rows is faster than the
    # kernel launches on an accelerator.
    gram = (basis.t() @ image).cpu()
    values, rotation = torch.linalg.eigh((gram + gram.t()) / 2)
    values, rotation = values.to(image.device), rotation.to(image.device)
    x = torch.mm(basis, rotation, out=free)
    return Ritz(x, torch.mm(image, rotation, out=basis), values)


def ritz_of_moments(
    stiffness: Tensor, mass: Tensor, negligible: float
) -> tuple[Tensor, Tensor]:
    r"""Solves the generalized eigenproblem
    :math:`(H^\top L H) \, c = \lambda \, (H^\top D H) \, c`. The columns of :math:`H`
    may be dependent.

    Args:
        stiffness (Tensor): :math:`H^\top L H`, symmetric, float64, :obj:`[p, p]`.
        mass (Tensor): :math:`H^\top D H`, float64, :obj:`[p, p]`.
        negligible (float): Directions with a smaller share of the largest moment are
            rounding, and are omitted.

    Returns:
        tuple: The values, ascending, :obj:`[r]`, and the vectors as columns
        :obj:`[p, r]`, orthonormal with respect to the mass; :obj:`r` is the rank.
    """
    moments, directions = torch.linalg.eigh((mass + mass.T) / 2)
    is_there = moments > negligible * moments[-1:].clamp(min=1e-300)
    whitening = directions[:, is_there] * moments[is_there].rsqrt()
    projected = whitening.T @ stiffness @ whitening
    values, rotation = torch.linalg.eigh((projected + projected.T) / 2)
    return values, whitening @ rotation


def _orthonormal_basis(block: Tensor, spare: Tensor | None) -> Tensor:
    r"""Returns an orthonormal basis of the span of independent columns, with rows
    contiguous in memory.

    Cholesky QR takes a third of the time of Householder QR. Its error grows with the
    square of the condition number. So columns far from orthogonal get two passes, and
    nearly dependent ones Householder QR. Their lengths are irrelevant (Yamamoto,
    Nakatsukasa, Yanagisawa and Fukaya, "Roundoff error analysis of the CholeskyQR2
    algorithm", ETNA 44, 2015).
    """
    for _ in range(2):
        gram = block.t() @ block
        inverse_length = gram.diagonal().rsqrt()
        scaled = inverse_length.unsqueeze(1) * gram * inverse_length
        factor, failed = torch.linalg.cholesky_ex(scaled)
        left = factor.diagonal().amin()
        # NaN, from zero columns, must count as too small.
        if bool(failed) or not bool(left >= LEFT_FOR_TWO):
            break
        transform = inverse_length.unsqueeze(1) * torch.linalg.inv(factor).t()
        product = torch.mm(block, transform, out=spare)
        block, spare = product, None if spare is None else block
        if bool(left >= LEFT_FOR_ONE):
            return block
    return torch.linalg.qr(block).Q.contiguous()
