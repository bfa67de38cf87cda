import torch
from torch import Tensor

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
    return operator.measure(vectors, tol, pairs.iterations, pairs.solver)


def turned_to_trivial(vectors: Tensor, is_null: Tensor, trivial: Tensor) -> Tensor:
    r"""The same without the host reading a number: a Householder reflection of the
    columns that span the null space.

    It sends the first of them to what they hold of the trivial vector, so that the
    others are orthogonal to that, and the vector itself takes the first place, with
    its own sign, whether the null space is multiple or not.

    Args:
        vectors (Tensor): Orthonormal columns, :obj:`[n, k]`.
        is_null (Tensor): Which of them span the null space: the first, and maybe
            some after it, :obj:`[k]`.
        trivial (Tensor): The known null vector, of unit norm, :obj:`[n]`.
    """
    held = torch.where(is_null, vectors.t() @ trivial, 0.0)
    held = held / held.norm().clamp(min=torch.finfo(held.dtype).tiny)
    # Of the two reflections on that line, the one whose axis does not cancel.
    axis = held.clone()
    axis[0] += torch.where(held[0] < 0, -1.0, 1.0)
    turned = vectors - (vectors @ axis).unsqueeze(1) * (2 / axis.square().sum() * axis)
    return torch.cat([trivial.unsqueeze(1), turned[:, 1:]], dim=1)
