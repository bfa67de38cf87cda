import numpy as np

from pyg_basis._constraints import at_least, check_arguments
from pyg_basis._to_numpy import ArrayLike, to_numpy

# Smaller eigenvalues, relative to the largest, count as zero: clusters that hardly
# touch. With ten times as much, curved clusters are cut in two; with none, clusters
# joined by few edges are not distinguished from disconnected parts.
NEGLIGIBLE_SHARE = 2e-3
# Rounding in single precision, relative to the largest eigenvalue.
ROUNDING = 1e-6
CONSTRAINTS = {"drop_first": ["boolean"], "num_suggestions": [at_least(1)]}


def suggest_num_components(
    eigenvalues: ArrayLike, drop_first: bool = True, num_suggestions: int = 3
) -> list[int]:
    r"""Suggests numbers of eigenvectors by the largest gaps (the eigengap heuristic:
    von Luxburg, `"A Tutorial on Spectral Clustering"
    <https://arxiv.org/abs/0711.0189>`_, 2007, Section 8.3).

    Gaps are relative to the next eigenvalue,

    .. math::
        g_K = \frac{\lambda_{K+1} - \lambda_K}{\lambda_{K+1} + \epsilon},

    as Laplacian eigenvalues and their gaps grow: on a manifold of dimension d as
    :math:`k^{2/d}`. :math:`\epsilon` is 0.002 times the largest eigenvalue given, so
    that eigenvalues of nearly separate clusters count as zero.

    Args:
        eigenvalues (array or Tensor): The first eigenvalues of a Laplacian, ascending,
            :obj:`[k]`. The last gap considered is the one before the last of them.
        drop_first (bool): Whether the trivial eigenvalue is omitted, as in
            :obj:`BASiS.eigenvalues_` by default. If it is included, the gap right after
            it is never suggested: one vector separates nothing.
            (default: :obj:`True`)
        num_suggestions (int): Maximum number of suggestions. (default: :obj:`3`)

    Returns:
        list of int: Numbers of given eigenvalues before a gap, by descending gap. The
        number of clusters is this number, plus one with :obj:`drop_first`.

    Raises:
        ValueError: If the eigenvalues are not finite, not ascending, negative, or too
            few for one gap.
    """
    check_arguments(
        CONSTRAINTS,
        "suggest_num_components",
        drop_first=drop_first,
        num_suggestions=num_suggestions,
    )
    given = to_numpy(eigenvalues, "eigenvalues")
    values = given.astype(np.float64) if given.dtype.kind in "fiu" else np.empty(0)
    least = 1 if drop_first else 2
    is_row = values.ndim == 1 and len(values) > least and np.isfinite(values).all()
    # Negative, or descending, by more than rounding.
    if not is_row or np.diff(values, prepend=0).min() < -ROUNDING * values.max():
        raise ValueError(
            f"eigenvalues must be one row of at least {least + 1} finite numbers, "
            f"ascending from 0, got the shape {list(given.shape)} of {given.dtype}: "
            f"pass those of one Laplacian, sorted, such as BASiS.eigenvalues_"
        )
    floor = max(NEGLIGIBLE_SHARE * values[-1], np.finfo(np.float64).tiny)
    gaps = np.diff(values) / (values[1:] + floor)
    order = np.argsort(-gaps[least - 1 :], kind="stable") + least
    return [int(k) for k in order[: int(num_suggestions)]]
