import torch
from torch import Tensor

from pyg_basis.eigen.symmetric_operator import SymmetricOperator

# The share of noise in guards that are known. It keeps them from hiding, all together,
# a direction that the start block lacks.
GUARD_NOISE = 0.2


def start_block(
    operator: SymmetricOperator, k: int, size: int, x0: Tensor | None, seed: int
) -> Tensor:
    r"""A block of :obj:`size` columns, from whatever is known.

    First come the known null vector and the first :obj:`k` of :obj:`x0`, as far as they
    are usable and do not depend on each other, orthonormal; then its other columns,
    with noise, and random ones, orthogonal to the first.

    Args:
        operator (SymmetricOperator): The operator.
        k (int): The number of columns wanted.
        size (int): The number of columns, those of guards included, above :obj:`k`.
        x0 (Tensor, optional): Start vectors, shape :obj:`[n, p]`. Columns that are
            not finite are left out.
        seed (int): Seed of the random columns, the same on every device.
    """
    matrix = operator.matrix
    n = operator.num_nodes
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, size, generator=generator, dtype=torch.float64)
    noise = noise.to(matrix.device) / n**0.5
    columns = noise[:, :0]
    if x0 is not None:
        columns = x0.detach().to(noise)
        columns = columns[:, columns.isfinite().all(dim=0)]
    known, guessed = columns[:, :k], columns[:, k:size]
    if operator.null_vector is not None:
        known = torch.cat([operator.null_vector.unsqueeze(1), known], dim=1)
    block, is_first = _independent(known, guessed)
    known, guessed = block[:, is_first], block[:, ~is_first]
    guessed = guessed[:, : max(size - known.shape[1], 0)]
    guards = noise[:, : size - known.shape[1]]
    guards = guards - known @ (known.t() @ guards)
    guards[:, : guessed.shape[1]] *= GUARD_NOISE
    guards[:, : guessed.shape[1]] += guessed
    return torch.cat([known, guards], dim=1)


def _independent(first: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    r"""Orthonormal columns that span the columns of both, less those that depend on
    columns before them; and which of them are of the first."""
    columns = torch.cat([first, others], dim=1)
    # Brought to a common scale in two steps, as squares may overflow or vanish.
    largest = columns.abs().amax(dim=0)
    used = largest > 0
    columns = columns[:, used] / largest[used]
    columns = columns / columns.norm(dim=0)
    is_first = torch.arange(len(used), device=used.device)[used] < first.shape[1]
    q, r = torch.linalg.qr(columns)
    # What is left of a column off those before it. Below, it is mostly roundoff, and
    # has turned the columns behind it.
    kept = r.diagonal().abs() > 1e-7
    if not bool(kept.all()):
        columns, is_first = (
            columns[:, : len(kept)][:, kept],
            is_first[: len(kept)][kept],
        )
        q = torch.linalg.qr(columns).Q
    return q, is_first[: q.shape[1]]
