from collections.abc import Iterable
from math import inf

import torch
from torch import Tensor

from pyg_basis.nn import BASiSLayer
from pyg_basis.readout.rayleigh_ritz import NEGLIGIBLE, RayleighRitz, RitzVectors

# Of each eigenvector, the share of which it matters little that it is missing.
LITTLE = 2e-3


class WholeReadOut:
    r"""Reads the eigenvectors of a given graph, which are known at all of its nodes,
    out of a layer by least squares.

    With :math:`H` the hidden features of the nodes and a constant, :math:`\Phi` the
    eigenvectors and :math:`D` the weights of the nodes, it is

    .. math::
        C = (H^\top D H)^{-1} H^\top D \Phi,

    orthonormalized by a symmetric matrix, which changes the columns least; a constant
    eigenvector is kept apart. The
    Rayleigh-Ritz method does not see the eigenvectors, and has to tell them from what
    the features cannot express: those of small groups of nodes, whose eigenvalues are
    small and alike, it mixes with others.

    Args:
        layer (BASiSLayer): The layer that is trained.
        x (Tensor): Nodes that are looked at during the training.
        index (Tensor): Which of all nodes they are.
        blocks (iterable of Tensor): All nodes, in blocks of rows.
        eigenvectors (Tensor): Their rows of the eigenvectors, :obj:`[n, K]`.
        weight (Tensor): What the nodes count, :obj:`[n]`: their degrees for the random
            walk, else 1; 0 for those that are to take no part.
        eigenvalues (Tensor): Those of the eigenvectors, and some beyond, ascending.
        seed (int, optional): Seed of the random mixture of many hidden features.
            (default: :obj:`0`)
    """

    def __init__(
        self,
        layer: BASiSLayer,
        x: Tensor,
        index: Tensor,
        blocks: Iterable[Tensor],
        eigenvectors: Tensor,
        weight: Tensor,
        eigenvalues: Tensor,
        seed: int = 0,
    ) -> None:
        self.layer = layer
        self.x = x
        self.index = index
        self.blocks = blocks
        self.eigenvectors = eigenvectors
        self.weight = weight
        self.eigenvalues = eigenvalues
        self.seed = seed

    def excess(self) -> float:
        r"""d_G between the eigenvectors and what comes closest to them in the span of
        the hidden features, at the nodes that are looked at. Infinite where these do
        not span K directions."""
        vectors, weight = self.eigenvectors[self.index], self.weight[self.index]
        found = self._closest([self.x], vectors, weight)
        self.layer.train()
        return inf if found is None else found[2]

    def has_nothing_to_gain(self, excesses: list[float], tol: float) -> bool:
        r"""Whether hardly anything is missing. Short of that more batches do help, as
        their targets are exact, and often late, so :obj:`tol` plays no role."""
        return excesses[-1] <= LITTLE * self.eigenvectors.size(1)

    def finish(self) -> RitzVectors | None:
        r"""Reads out of the network as it is, over all nodes: the last that is done to
        it."""
        found = self._closest(self.blocks, self.eigenvectors, self.weight)
        if found is None:
            return None
        moments, coefficients, _ = found
        values = self.eigenvalues.to(coefficients)
        vectors = moments.vectors(values, coefficients)
        self.layer.output.fit(vectors)
        return vectors

    def fit_degree(self) -> None:
        r"""Nothing: the degrees of a given graph are known beforehand."""

    @torch.no_grad()
    def _closest(
        self, blocks: Iterable[Tensor], eigenvectors: Tensor, weight: Tensor
    ) -> tuple[RayleighRitz, Tensor, float] | None:
        self.layer.eval()
        moments = self.layer.new_moments(self.x, len(eigenvectors), self.seed)
        root = (weight / weight.sum()).double().sqrt().unsqueeze(1)
        known = root * eigenvectors.double()
        size, start = moments.size + known.size(1), 0
        products = known.new_zeros(size, size).to(self.x.device)
        for block in blocks:
            rows = moments.columns(block).double()
            part = slice(start, start + len(rows))
            rows = rows * root[part].to(rows)
            rows = torch.cat([rows, known[part].to(rows)], dim=1)
            products += rows.T @ rows
            start = part.stop
        embedding = self.layer.embedding
        has_constant = embedding.laplacian != "sym"
        num_constant = int(has_constant and not embedding.drop_first)
        found = _least_squares(products, moments.size, has_constant, num_constant)
        return None if found is None else (moments, *found)


def _least_squares(
    products: Tensor, size: int, has_constant: bool, num_constant: int
) -> tuple[Tensor, float] | None:
    """Coefficients of the columns, the last of which is constant, that come closest to
    the vectors behind them, of which the first may be constant; and d_G to these.

    Where the constant is an eigenvector, it is kept as it is, and the others are
    searched in its complement, as nodes that take no part leave them not quite
    orthogonal to it.
    """
    # The rest of the products with the constant is zero up to rounding, as is what
    # the pseudoinverse makes of it.
    column = products[:, size - 1] / products[size - 1, size - 1].sqrt()
    if has_constant:
        products = products - torch.outer(column, column)
    vectors = slice(size + num_constant, None)
    mass, overlap = products[:size, :size], products[:size, vectors]
    gram = products[vectors, vectors]
    lengths = gram.diagonal().sqrt()
    if (lengths <= NEGLIGIBLE).any():
        return None
    # Of equal length, so that orthonormalizing them treats all alike.
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
