from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyg_basis._ranks import Ranks
from pyg_basis.data.feature_source import FeatureSource


class ShardedRows(FeatureSource):
    r"""The rows of all ranks' sources, numbered in the order of the ranks. All ranks
    must access rows at the same time.

    Args:
        own (FeatureSource): The rows of this rank, of the same width in all ranks.
        ranks (Ranks): The processes.
    """

    def __init__(self, own: FeatureSource, ranks: Ranks) -> None:
        # Without FeatureSource.__init__, which reads a row.
        self.own, self.ranks = own, ranks
        self.num_features = own.num_features
        lengths = ranks.gather(len(own))
        self.offset, self.num_rows = sum(lengths[: ranks.rank]), sum(lengths)
        self.dtype = torch.float32
        for dtype in ranks.gather(own[0].dtype):
            self.dtype = torch.promote_types(self.dtype, dtype)

    def __len__(self) -> int:
        return self.num_rows

    def __getitems__(self, indices: Sequence[int] | NDArray[np.int64]) -> Tensor:
        index = np.asarray(indices) - self.offset
        here = np.flatnonzero((index >= 0) & (index < len(self.own)))
        rows = torch.zeros(len(index), self.num_features, dtype=self.dtype)
        if len(here) > 0:
            own = self.own.__getitems__(index[here])
            rows[torch.from_numpy(here)] = own.to(rows)
        return self.ranks.sum(rows)

    def own_numbers(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        r"""Returns the local numbers of those rows that belong to this rank."""
        index = indices - self.offset
        return index[(index >= 0) & (index < len(self.own))]
