from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.graph import GivenGraph
from pyg_basis.loader.exact_embedding import ExactEmbedding, SpectralRows


@dataclass(frozen=True, eq=False, repr=False)
class WholeGraph:
    r"""Targets for the nodes of a given graph: the exact eigenvectors of all of it.

    Args:
        rows (SpectralRows): The embedding of all nodes.
    """

    rows: SpectralRows

    @classmethod
    def from_graph(
        cls, graph: GivenGraph, embedding: ExactEmbedding, num_beyond: int = 0
    ) -> "WholeGraph":
        r"""Decomposes the whole graph, once, with up to :obj:`num_beyond` eigenvalues
        more than there are vectors."""
        rows = embedding.rows_of(graph.laplacian(embedding.laplacian), num_beyond)
        # The small eigenvalues of a long graph are no sign of more components.
        return cls(replace(rows, num_components=graph.num_components))

    def targets(self, drawn: NDArray[np.int64], seed: int = 0) -> Data:
        r"""The targets :obj:`y [m, K]` of the nodes that were drawn, :obj:`node [m]`,
        with diagnostics as of :meth:`AnchorReference.targets`; the :obj:`seed` plays
        no role."""
        node = torch.from_numpy(drawn)
        return Data(
            node=node,
            y=self.rows.vectors[node].float(),
            eigenvalues=self.rows.values.float(),
            residual=0.0,
            rank=self.rows.vectors.size(1),
            num_components=self.rows.num_components,
            converged=self.rows.converged,
        )

    def known_rows(self) -> tuple[NDArray[np.int64], Tensor]:
        r"""All nodes, and their rows, :obj:`[n, K]`."""
        return np.arange(len(self.rows.vectors)), self.rows.vectors

    @property
    def eigenvalues(self) -> Tensor:
        r"""The first eigenvalues, the trivial one included, and those beyond."""
        return self.rows.all_values

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self.rows.vectors.shape))})"
