from collections.abc import Iterable

import torch
from torch import Tensor

from pyg_basis.readout.rayleigh_ritz import NEGLIGIBLE, RayleighRitz


def closest_in_span(
    moments: RayleighRitz,
    blocks: Iterable[Tensor],
    eigenvectors: Tensor,
    weight: Tensor,
    has_constant: bool,
    drop_first: bool,
) -> tuple[Tensor, float] | None:
    r"""Returns the least-squares approximation of known eigenvectors in the span of
    features.

    With :math:`H` the features of the nodes and a constant, :math:`\Phi` the
    eigenvectors and :math:`D` the weights of the nodes, it is

    .. math::
        C = (H^\top D H)^{-1} H^\top D \Phi,

    orthonormalized by a symmetric matrix, which changes the columns least. If the
    constant is an eigenvector, it is kept, and the others are fitted in its orthogonal
    complement: excluded nodes make them not quite orthogonal to it.

    Args:
        moments (RayleighRitz): The directions of the features.
        blocks (iterable of Tensor): The nodes, in blocks of rows.
        eigenvectors (Tensor): Rows of the eigenvectors at these nodes, :obj:`[n, K]`.
        weight (Tensor): Weights of the nodes, :obj:`[n]`.
        has_constant (bool): Whether the constant is an eigenvector.
        drop_first (bool): Whether it is omitted from the eigenvectors.

    Returns:
        tuple: The coefficients of the directions and the constant, :obj:`[r, K]`, and
        d_G to the eigenvectors; or :obj:`None` if the features span less than K
        directions.
    """
    root = (weight / weight.sum()).double().sqrt().unsqueeze(1)
    known = root * eigenvectors.double()
    size, start = moments.size, 0
    products = moments.mass.new_zeros(size + known.size(1), size + known.size(1))
    for block in blocks:
        rows = moments.columns(block).double()
        part = slice(start, start + len(rows))
        rows = torch.cat([rows * root[part].to(rows), known[part].to(rows)], dim=1)
        products += rows.T @ rows
        start = part.stop
    # The remaining products with the constant are zero up to rounding, as is what the
    # pseudoinverse makes of them.
    column = products[:, size - 1] / products[size - 1, size - 1].sqrt()
    if has_constant:
        products = products - torch.outer(column, column)
    num_constant = int(has_constant and not drop_first)
    vectors = slice(size + num_constant, None)
    mass, overlap = products[:size, :size], products[:size, vectors]
    gram = products[vectors, vectors]
    lengths = gram.diagonal().sqrt()
    if (lengths <= NEGLIGIBLE).any():
        return None
    # Normalize, so that orthonormalization treats all columns alike.
    overlap, gram = overlap / lengths, gram / torch.outer(lengths, lengths)
    coefficients = torch.linalg.pinv(mass, rtol=NEGLIGIBLE, hermitian=True) @ overlap
    found = overlap.T @ coefficients
    shares, turn = torch.linalg.eigh((found + found.T) / 2)
    if (shares <= NEGLIGIBLE).any():
        return None
    coefficients = coefficients @ (turn * shares.rsqrt()) @ turn.T
    if has_constant:
        coefficients[-1] = -column[: size - 1] @ coefficients[:-1] / column[size - 1]
        constant = torch.zeros_like(products[:size, :num_constant])
        constant[-1] = 1 / column[size - 1]
        coefficients = torch.cat([constant, coefficients], dim=1)
    inverse = torch.linalg.pinv(gram, rtol=NEGLIGIBLE, hermitian=True)
    return coefficients, len(gram) - float((inverse @ found).trace())
