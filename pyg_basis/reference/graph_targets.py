from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.align import Aligner
from pyg_basis.graph import GivenGraph, coarsened, nearest_seeds
from pyg_basis.reference.exact_embedding import ExactEmbedding, SpectralRows
from pyg_basis.reference.reference import aligned


@dataclass(frozen=True, eq=False)
class WholeGraph:
    r"""Targets for the nodes of a given graph: its exact eigenvectors.

    Args:
        nodes (numpy.ndarray): The nodes with known rows, which are all, :obj:`[n]`.
        rows (Tensor): Rows of the eigenvectors, :obj:`[n, K]`.
        eigenvalues (Tensor): The first eigenvalues, including the trivial one, and the
            further ones requested.
        num_components (int): Number of connected components of the graph.
        converged (bool): Whether the eigensolver reached its tolerance.
        fell_back (bool): Whether more than one solver was needed.
    """

    nodes: NDArray[np.int64]
    rows: Tensor
    eigenvalues: Tensor
    num_components: int
    converged: bool
    fell_back: bool

    @classmethod
    def from_graph(
        cls, graph: GivenGraph, embedding: ExactEmbedding, num_beyond: int = 0
    ) -> "WholeGraph":
        r"""Decomposes the whole graph once, with up to :obj:`num_beyond` more
        eigenvalues than eigenvectors."""
        found = embedding.rows_of(graph.laplacian(embedding.laplacian), num_beyond)
        # Small eigenvalues of a long graph do not indicate more components.
        return cls(
            np.arange(graph.num_nodes),
            found.vectors,
            found.all_values,
            graph.num_components,
            found.converged,
            found.fell_back,
        )

    def targets(self, drawn: NDArray[np.int64], seed: int = 0) -> Data:
        r"""Returns the targets :obj:`y [m, K]` of the drawn nodes, with the diagnostics
        of :func:`~pyg_basis.algorithm.batch_targets`. The :obj:`seed` is ignored."""
        return Data(
            y=self.rows[torch.from_numpy(drawn)].float(),
            residual=0.0,
            rank=self.rows.size(1),
            consensus=True,
            num_components=self.num_components,
            converged=self.converged,
            fell_back=self.fell_back,
        )


@dataclass(frozen=True, eq=False)
class CoarsenedGraph:
    r"""Targets for the nodes of a given graph that is too large to decompose:
    Algorithm 1 of `BASiS <https://arxiv.org/abs/2211.16960>`_ on samples of it.

    Every other node joins the nearest sampled node, and the weights between these cells
    are summed, so that a sample is as connected as the graph, see
    :func:`~pyg_basis.graph.coarsened`. Anchors need not be sampled: they have the rows
    of their cells.

    Args:
        graph (GivenGraph): The graph.
        nodes (numpy.ndarray): The anchors, :obj:`[l]`.
        rows (Tensor): Their rows of the reference embedding, :obj:`[l, K]`.
        eigenvalues (Tensor): Eigenvalues of the reference embedding, including the
            trivial one, and the further ones requested.
        embedding (ExactEmbedding): How a sample is embedded.
        aligner (LeastSquares or RANSAC or Orthogonal or MomentPreserving): How the
            affine map is fitted.
    """

    graph: GivenGraph
    nodes: NDArray[np.int64]
    rows: Tensor
    eigenvalues: Tensor
    embedding: ExactEmbedding
    aligner: Aligner

    @classmethod
    def from_graph(
        cls,
        graph: GivenGraph,
        embedding: ExactEmbedding,
        aligner: Aligner,
        reference_size: int,
        seed: int = 0,
        num_beyond: int = 0,
    ) -> "CoarsenedGraph":
        r"""Draws the reference set, whose nodes are all anchors, and embeds it, with up
        to :obj:`num_beyond` more eigenvalues than eigenvectors.

        Raises:
            ValueError: If coarsening does not preserve Laplacians of this kind, or the
                eigenvectors of the reference set do not converge.
        """
        if embedding.laplacian == "comb":
            raise ValueError(
                "laplacian='comb' is not kept by coarsening, whose nodes stand for "
                "different numbers of the graph's: use 'rw' or 'sym'"
            )
        size = min(reference_size, graph.num_nodes)
        rng = np.random.default_rng(seed)
        drawn = rng.choice(graph.num_nodes, size, replace=False)
        found = _embed(graph, drawn, drawn, embedding, seed, num_beyond)
        if num_beyond > 0 and not found.converged:
            found = _embed(graph, drawn, drawn, embedding, seed)
        if not found.converged:
            raise ValueError(
                f"the eigenvectors of a reference set of {size} nodes did not "
                f"converge, as those of long chains do not: lower reference_size, or "
                f"ask for fewer eigenvectors"
            )
        return cls(
            graph,
            drawn,
            found.vectors,
            found.all_values,
            embedding,
            aligner,
        )

    def targets(self, drawn: NDArray[np.int64], seed: int = 0) -> Data:
        r"""Embeds the drawn nodes, with the anchors in their cells, and aligns the
        result to the reference (Eq. 12-14). Returns the same fields as
        :class:`WholeGraph`."""
        # The batch has no information about components without a sampled node.
        component = self.graph.components
        is_reached = np.isin(component[self.nodes], component[drawn])
        anchors = self.nodes[is_reached]
        nodes = np.concatenate([anchors, drawn])
        _, rows, diagnostics = aligned(
            lambda embedding: _embed(self.graph, drawn, nodes, embedding, seed),
            self.embedding,
            self.aligner,
            self.rows[torch.from_numpy(is_reached)],
            len(self.nodes),
            len(drawn),
        )
        return Data(y=rows[len(anchors) :].float(), **diagnostics)


GraphTargets = WholeGraph | CoarsenedGraph


def _embed(
    graph: GivenGraph,
    sample: NDArray[np.int64],
    nodes: NDArray[np.int64],
    embedding: ExactEmbedding,
    seed: int,
    num_beyond: int = 0,
) -> SpectralRows:
    r"""Returns the rows of some nodes, of sampled components, in the embedding of a
    coarsened graph."""
    cell = nearest_seeds(graph, sample, seed)
    part = coarsened(graph, cell, len(sample))
    # The random-walk eigenvectors are functions of the nodes; those of the normalized
    # Laplacian have a factor that depends on the sample.
    kind: Literal["rw"] = "rw"
    found = replace(embedding, laplacian=kind).rows_of(part.laplacian(kind), num_beyond)
    vectors = found.vectors[torch.from_numpy(cell[nodes])]
    if embedding.laplacian == "sym":
        degree = torch.from_numpy(graph.degree[nodes])
        # An isolated node is a null vector, whatever its factor.
        root = torch.where(degree > 0, degree, 1.0).sqrt()
        vectors = vectors * root.unsqueeze(1)
    scale = vectors.square().mean(dim=0).rsqrt()
    return replace(found, vectors=vectors * scale, num_components=part.num_components)
