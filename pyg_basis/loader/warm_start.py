from dataclasses import astuple, dataclass, replace

import torch
from torch import Tensor

from pyg_basis.eigen import (
    Eigenpairs,
    FilterWindow,
    Solver,
    SymmetricOperator,
    eigenpairs,
)
from pyg_basis.eigen.filter_window import MOST_GUARDS
from pyg_basis.graph import Laplacian


def with_guards(
    operator: Laplacian, num_pairs: int, solver: str | Solver = "auto"
) -> Eigenpairs:
    r"""The first :obj:`num_pairs` eigenpairs, and those beyond that guards may start
    from, as far as there are so many."""
    return eigenpairs(
        operator, min(num_pairs + MOST_GUARDS, operator.num_nodes), solver
    )


@dataclass(frozen=True, eq=False)
class WarmStart:
    r"""What the embedding of one set tells of those of others like it.

    Args:
        rows (Tensor): Rows of its first nodes, :obj:`[l, p]`: those of the wanted
            eigenvectors first, then those of some more, for the guards.
        window (FilterWindow, optional): Where the wanted part of the spectrum ends.
            (default: :obj:`None`)
    """

    rows: Tensor
    window: FilterWindow | None = None

    @classmethod
    def of(
        cls,
        operator: Laplacian,
        num_pairs: int,
        num_rows: int,
        solver: str | Solver = "auto",
    ) -> "WarmStart":
        r"""From the Laplacian of a set, for the first :obj:`num_pairs` eigenvectors
        of others that begin with the same :obj:`num_rows` nodes."""
        pairs = with_guards(operator, num_pairs, solver)
        return cls.of_pairs(operator, pairs, num_pairs, num_rows)

    @classmethod
    def of_pairs(
        cls, operator: Laplacian, pairs: Eigenpairs, num_pairs: int, num_rows: int
    ) -> "WarmStart":
        r"""The same where the eigenpairs, those :func:`with_guards`, are known."""
        symmetric = SymmetricOperator.from_laplacian(operator)
        window = FilterWindow.of(symmetric, pairs.values, num_pairs)
        columns = num_pairs + (0 if window is None else window.num_guards)
        rows = pairs.vectors[:num_rows, :columns] * operator.num_nodes**0.5
        return cls(rows, window)

    @classmethod
    def unpacked(cls, rows: Tensor, window: Tensor) -> "WarmStart":
        r"""From what :meth:`pack` wrote."""
        wanted, cut, upper, num_guards = window.tolist()
        if not wanted < cut < upper:
            return cls(rows)
        known = FilterWindow(wanted, cut, upper, round(num_guards))
        return cls(rows[:, : rows.size(1) - MOST_GUARDS + known.num_guards], known)

    def pack(self, rows: Tensor, window: Tensor) -> None:
        r"""Writes into tensors of a size that does not depend on the spectrum:
        :obj:`rows [l, num_pairs + MOST_GUARDS]` and :obj:`window [4]`."""
        rows.zero_()
        rows[:, : self.rows.size(1)] = self.rows
        window.zero_()
        if self.window is not None:
            window.copy_(torch.tensor(astuple(self.window), dtype=torch.float64))

    def to(self, device: str | torch.device) -> "WarmStart":
        r"""The same on another device."""
        return replace(self, rows=self.rows.to(device))
