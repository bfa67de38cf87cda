from collections.abc import Iterable
from math import inf

import torch
from torch import Tensor

from pyg_basis.nn import BASiSLayer
from pyg_basis.nn.rayleigh_ritz import NEGLIGIBLE, RayleighRitz, RitzVectors

# Of each eigenvector, the share of which it matters little that it is missing.
LITTLE = 2e-3


class WholeReadOut:
    r"""Reads the eigenvectors of a given graph, which are known at all of its nodes,
    out of a layer by least squares.

    With :math:`H` the hidden features of the nodes and a constant, :math:`\Phi` the
    eigenvectors and :math:`D` the weights of the nodes, it is

    .. math::
        C = (H^\top D H)^{-1} H^\top D \Phi,

    orthonormalised by a symmetric matrix, which changes the columns least. The
    Rayleigh-Ritz method does not see the eigenvectors, and has to tell them from what
    the features cannot express: those of small groups of nodes, whose eigenvalues are
    small and alike, it mixes with others.

    Args:
        layer (BASiSLayer): The layer that is trained.
        x (Tensor): Nodes, enough of them to fix the directions.
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
        blocks: Iterable[Tensor],
        eigenvectors: Tensor,
        weight: Tensor,
        eigenvalues: Tensor,
        seed: int = 0,
    ) -> None:
        self.layer = layer
        self.x = x
        self.blocks = blocks
        self.eigenvectors = eigenvectors
        self.weight = weight
        self.eigenvalues = eigenvalues
        self.seed = seed
        self._found: tuple[RayleighRitz, Tensor] | None = None

    @torch.no_grad()
    def excess(self) -> float:
        r"""d_G between the eigenvectors and what comes closest to them in the span of
        the hidden features. Infinite where they do not span K directions."""
        self.layer.eval()
        num_nodes, k = self.eigenvectors.shape
        moments = self.layer.new_moments(self.x, num_nodes, self.seed)
        root = (self.weight / self.weight.sum()).double().sqrt().unsqueeze(1)
        known = root * self.eigenvectors.double()
        size, start = moments.size + k, 0
        products = known.new_zeros(size, size).to(self.x.device)
        for block in self.blocks:
            rows = moments.columns(block).double()
            part = slice(start, start + len(rows))
            rows = rows * root[part].to(rows)
            rows = torch.cat([rows, known[part].to(rows)], dim=1)
            products += rows.T @ rows
            start = part.stop
        self.layer.train()
        mass, overlap, gram = products[:-k, :-k], products[:-k, -k:], products[-k:, -k:]
        inverse = torch.linalg.pinv(mass, rtol=NEGLIGIBLE, hermitian=True)
        coefficients = inverse @ overlap
        # Products of the projections, from which they are orthonormalised.
        left = overlap.T @ coefficients
        shares, turn = torch.linalg.eigh((left + left.T) / 2)
        if shares[0] <= NEGLIGIBLE:
            self._found = None
            return inf
        self._found = moments, coefficients @ (turn * shares.rsqrt()) @ turn.T
        return k - float(torch.linalg.solve(gram, left).trace())

    def has_nothing_to_gain(self, excesses: list[float], tol: float) -> bool:
        r"""Whether hardly anything is missing. Short of that more batches do help, as
        their targets are exact, and often late, so :obj:`tol` plays no role."""
        return excesses[-1] <= LITTLE * self.eigenvectors.size(1)

    @torch.no_grad()
    def finish(self) -> RitzVectors | None:
        r"""Reads out of the network as it was at the last look, which is the last that
        is done to it."""
        if self._found is None:
            return None
        moments, coefficients = self._found
        values = self.eigenvalues.to(coefficients)
        vectors = moments.vectors(values, coefficients)
        self.layer.readout.fit(vectors)
        return vectors

    def fit_degree(self) -> None:
        r"""Nothing: the degrees of a given graph are known beforehand."""
