from numbers import Integral

import torch
from torch import Tensor

from pyg_basis.graph import Laplacian


def checked_matrix(operator: object) -> Tensor:
    r"""The matrix of an operator, once it is known to be square, real and finite."""
    matrix = operator.matrix if isinstance(operator, Laplacian) else operator
    if not isinstance(matrix, Tensor):
        raise ValueError(
            f"operator must be a Laplacian or a tensor of shape [n, n], got "
            f"{type(operator).__name__}: build one with laplacian(graph)"
        )
    if matrix.dim() != 2 or matrix.size(0) != matrix.size(1) or matrix.size(0) == 0:
        raise ValueError(
            f"operator has shape {list(matrix.shape)}, but it must be a square "
            f"matrix of at least one row: pass a tensor of shape [n, n]"
        )
    if matrix.is_complex():
        raise ValueError(
            f"operator has dtype {matrix.dtype}, but it must be real: pass its real "
            f"part if the rest is zero"
        )
    if matrix.layout == torch.strided:
        entries = matrix
    elif matrix.layout == torch.sparse_coo:
        entries = matrix.coalesce().values()
    else:
        entries = matrix.values()
    # NaN carries through the extremes, which one pass finds.
    if entries.numel() > 0 and not bool(
        torch.stack(entries.aminmax()).isfinite().all()
    ):
        raise ValueError(
            "operator has NaN or infinite entries: look for them in the features or "
            "edge weights it was made of"
        )
    return matrix


def check_k(k: object, n: int) -> None:
    r"""Raises unless :obj:`k` eigenpairs of :obj:`n` can be had."""
    if isinstance(k, bool) or not isinstance(k, Integral) or not 1 <= int(k) <= n:
        raise ValueError(
            f"k={k!r} eigenpairs asked of an operator with n={n} rows: k must be an "
            f"integer from 1 to n, so ask for fewer or use a graph of more nodes"
        )


def check_solver(solver: object, names: list[str]) -> None:
    r"""Raises unless :obj:`solver` is one of the names, or a solver object."""
    if isinstance(solver, str):
        if solver not in names:
            raise ValueError(
                f"solver={solver!r} is unknown: pass one of "
                f"{', '.join(map(repr, names))}, or a solver object such as LOBPCG()"
            )
    elif isinstance(solver, type) or not callable(getattr(solver, "solve", None)):
        raise ValueError(
            f"solver={solver!r} is neither a name nor an object with a method solve: "
            f"pass one of {', '.join(map(repr, names))}, or an object such as LOBPCG()"
        )


def check_start(x0: object, n: int) -> None:
    r"""Raises unless :obj:`x0` is nothing or has one row for each node."""
    if x0 is None:
        return
    shape = list(x0.shape) if isinstance(x0, Tensor) else type(x0).__name__
    if not isinstance(x0, Tensor) or x0.dim() != 2 or x0.size(0) != n:
        raise ValueError(
            f"x0 must be a tensor of shape [n, p] with n={n}, the rows of the "
            f"operator, got {shape}: pass the start vectors as columns, or None"
        )


def check_tol(tol: float) -> None:
    r"""Raises unless :obj:`tol` is a bound that a residual can meet."""
    if not 0 < tol < float("inf"):
        raise ValueError(f"tol={tol} must be a positive finite number: pass 1e-6")
