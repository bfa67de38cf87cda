from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pyg_basis.data.feature_source import FeatureSource

# Integers up to this are exact in double precision.
MOST_COPIES = 2**53


class RepeatedRows(FeatureSource):
    r"""The rows of a source, repeated by weight, without copying them.

    Integer weights are counts. Others are scaled to mean 1 and rounded up or down at
    random, so that each is unbiased and their sum is preserved (systematic resampling,
    Kitagawa, `"Monte Carlo Filter and Smoother"
    <https://doi.org/10.1080/10618600.1996.10474692>`_, 1996).

    Args:
        source (FeatureSource): Rows :obj:`[n, d]`.
        weight (array-like): Nonnegative and finite weights, :obj:`[n]`.
        seed (int): Seed of the rounding.

    Raises:
        ValueError: If there is not one weight per row, one is negative or not finite,
            or fewer than two rows have positive weight.
    """

    def __init__(self, source: FeatureSource, weight: Any, seed: int) -> None:
        # Memory does not grow with the weights.
        self.ends = _ends(weight, len(source), seed)
        super().__init__(source)

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitems__(self, indices: Sequence[int] | NDArray[np.int64]) -> Tensor:
        rows: Tensor = self.data.__getitems__(self.numbers(indices))
        return rows

    def numbers(
        self, indices: Sequence[int] | NDArray[np.int64]
    ) -> NDArray[np.signedinteger[Any]]:
        r"""Returns the row numbers in the source."""
        return np.searchsorted(self.ends, np.asarray(indices), side="right")


def _ends(weight: Any, num_rows: int, seed: int) -> NDArray[np.int64]:
    """Cumulative number of copies, [n]."""
    given = weight.detach().cpu() if isinstance(weight, Tensor) else weight
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"sample_weight must be numbers, one a point, got {type(weight).__name__}: "
            f"{error}"
        ) from error
    if values.shape != (num_rows,):
        raise ValueError(
            f"sample_weight has shape {values.shape}, expected ({num_rows},): give one "
            f"weight a point"
        )
    is_bad = ~(np.isfinite(values) & (values >= 0))
    if is_bad.any():
        i = int(is_bad.argmax())
        raise ValueError(
            f"sample_weight must be finite and not negative, got {values[i]} for point "
            f"{i}: leave such points out, or give them the weight 0"
        )
    if np.count_nonzero(values) < 2:
        raise ValueError(
            f"sample_weight is zero for all but {np.count_nonzero(values)} of "
            f"{num_rows} points: give at least two of them a weight"
        )
    if np.all(values == np.floor(values)) and values.sum() <= MOST_COPIES:
        return np.cumsum(values.astype(np.int64))
    values /= values.max()  # the sum of huge weights overflows
    reached = np.cumsum(values / values.mean()) + np.random.default_rng(seed).random()
    return np.floor(reached).astype(np.int64)
