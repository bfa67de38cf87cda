from dataclasses import replace

import torch

from pyg_basis.eigen.result import Eigenpairs
from pyg_basis.eigen.symmetric_operator import SymmetricOperator


def trivial_first(
    pairs: Eigenpairs, operator: SymmetricOperator, precision: float, tol: float
) -> Eigenpairs:
    r"""Turns the basis of a multiple null space so that the trivial vector leads it.

    In a graph of several components any basis of the null space will do, and
    solvers return a random one. With the known vector in the first column, dropping
    that column drops the trivial vector and nothing else.

    Args:
        pairs (Eigenpairs): The result of a solver.
        operator (SymmetricOperator): The operator.
        precision (float): Eigenvalues within this, relative to the norm bound, are
            zero as far as the operator's own rounding allows to tell.
        tol (float): Bound of the relative residuals.
    """
    null = pairs.values.abs() <= min(precision, tol / 10) * operator.norm_bound
    size = int(null.sum())
    # A single null vector is the trivial one, unless others were not asked for.
    is_alone = size < 2 and size < pairs.vectors.size(1)
    if operator.null_vector is None or size == 0 or is_alone:
        return pairs
    trivial = operator.null_vector.unsqueeze(1)
    block = pairs.vectors[:, :size]
    rest = torch.linalg.svd(block - trivial @ (trivial.t() @ block), False).U
    rest = rest[:, : size - 1]
    if size > 1:
        rest = operator.rayleigh_ritz(rest, size - 1, tol, 0, "").vectors
    vectors = torch.cat([trivial, rest, pairs.vectors[:, size:]], dim=1)
    image = operator.matrix @ vectors
    # Quotients of one eigenspace differ by roundoff, in any order.
    values = (vectors * image).sum(dim=0).sort().values
    residuals = (image - vectors * values).norm(dim=0) / operator.norm_bound
    converged = bool((residuals <= tol).all())
    return replace(
        pairs, values=values, vectors=vectors, residuals=residuals, converged=converged
    )
