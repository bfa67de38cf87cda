from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.align.fit_affine import Aligner
from pyg_basis.eigen._solver_chain import DENSE_UP_TO
from pyg_basis.graph import GivenGraph, coarsened, nearest_seeds
from pyg_basis.loader.anchor_reference import aligned_to
from pyg_basis.loader.exact_embedding import ExactEmbedding, SpectralRows
from pyg_basis.loader.fixing_anchors import fixing_anchors

BatchOperator = Literal["coarsened", "induced"]

# Samples that are looked at, and the share of their nodes that must hang together: each
# node by itself would take one of the first eigenvectors.
NUM_LOOKS = 3
LEAST_CONNECTED = 1.0


@dataclass(frozen=True, eq=False, repr=False)
class SampledGraph:
    r"""Targets for the nodes of a given graph from samples of it: Algorithm 1 of
    `BASiS <https://arxiv.org/abs/2211.16960>`_, where the edges of a batch are not
    made from features.

    Args:
        graph (GivenGraph): The graph.
        anchors (numpy.ndarray): Node numbers, :obj:`[l]`.
        rows (Tensor): The anchors' rows of the reference embedding, :obj:`[l, K]`.
        eigenvalues (Tensor): Of the reference embedding, the trivial one included.
        embedding (ExactEmbedding): How a sample is embedded.
        aligner (LeastSquares or RANSAC or Orthogonal): How the affine map is fitted.
        batch_operator (str): The graph of a sample. :obj:`"coarsened"`: every other
            node joins the nearest sampled one, and the weights between these cells
            add up, so that samples are as connected as the graph, see
            :func:`~pyg_basis.graph.coarsened`; anchors need not be sampled, as they
            have the rows of their cells. :obj:`"induced"`: the edges between the
            anchors and the sampled nodes alone, which is for dense graphs.
        num_oversamples (int, optional): Eigenvectors of a sample, beyond its first
            :math:`K`, that the map to the reference may draw on. (default: :obj:`0`)
    """

    graph: GivenGraph
    anchors: NDArray[np.int64]
    rows: Tensor
    eigenvalues: Tensor
    embedding: ExactEmbedding
    aligner: Aligner
    batch_operator: BatchOperator
    num_oversamples: int = 0

    @classmethod
    def from_graph(
        cls,
        graph: GivenGraph,
        embedding: ExactEmbedding,
        aligner: Aligner,
        batch_operator: BatchOperator,
        num_anchors: int,
        reference_size: int,
        num_oversamples: int = 0,
        seed: int = 0,
    ) -> "SampledGraph":
        r"""Draws the anchors and the rest of the reference set, embeds it, and keeps
        the anchors' rows.

        Raises:
            ValueError: If there are fewer anchors than an affine map needs,
                coarsening does not keep Laplacians of this kind, or the eigenvectors
                of the reference set do not converge.
        """
        if batch_operator not in get_args(BatchOperator):
            raise ValueError(
                f"batch_operator={batch_operator!r} is unknown: use 'coarsened' or "
                f"'induced'"
            )
        if embedding.laplacian == "comb" and batch_operator == "coarsened":
            raise ValueError(
                "laplacian='comb' is not kept by coarsening, whose nodes stand for "
                "different numbers of the graph's: use 'rw' or 'sym'"
            )
        reference_size = min(reference_size, graph.num_nodes)
        if batch_operator == "coarsened":
            num_anchors = reference_size  # all are known, and cost nothing
        else:
            embedding.check_num_anchors(num_anchors, reference_size, num_oversamples)
        rng = np.random.default_rng(seed)
        drawn = rng.choice(graph.num_nodes, reference_size, replace=False)
        reference = _embed(graph, drawn, drawn, embedding, batch_operator, seed)
        if not reference.converged:
            raise ValueError(
                f"the eigenvectors of a reference set of {reference_size} nodes did "
                f"not converge, as those of long chains do not: lower reference_size, "
                f"to {DENSE_UP_TO} at most, or ask for fewer eigenvectors"
            )
        order = fixing_anchors(
            reference.vectors[:, embedding.num_constant :], num_anchors
        )
        anchors = order[:num_anchors]
        return cls(
            graph,
            drawn[anchors.numpy()],
            reference.vectors[anchors],
            reference.all_values,
            embedding,
            aligner,
            batch_operator,
            num_oversamples,
        )

    @property
    def num_fixed(self) -> int:
        r"""Nodes that are in every batch, whatever is drawn: the first anchors."""
        return len(self.anchors) if self.batch_operator == "induced" else 0

    def known_rows(self) -> tuple[NDArray[np.int64], Tensor]:
        r"""The anchors, and their rows, :obj:`[l, K]`."""
        return self.anchors, self.rows

    def targets(self, drawn: NDArray[np.int64], seed: int = 0) -> Data:
        r"""Embeds the nodes that were drawn, with the anchors, and aligns the result
        to the reference (Eq. 12-14).

        Returns:
            Data: Node numbers :obj:`node [m]`, their targets :obj:`y [m, K]`, and
            diagnostics as of :meth:`AnchorReference.targets`. For induced samples the
            anchors are the first of them.
        """
        fixed = self.anchors[: self.num_fixed]
        others = drawn[~np.isin(drawn, fixed)]
        sample = np.concatenate([fixed, others])
        # Of a component that no sampled node is in, the batch tells nothing.
        component = self.graph.components
        is_reached = np.isin(component[self.anchors], component[sample])
        anchors = self.anchors[is_reached]
        nodes = np.concatenate([anchors, others])
        widened = self.embedding.widened(self.num_oversamples)
        embedded = _embed(self.graph, sample, nodes, widened, self.batch_operator, seed)
        rows, alignment = aligned_to(
            self.rows[torch.from_numpy(is_reached)],
            embedded.vectors,
            self.aligner,
            self.embedding.num_constant,
        )
        first = len(anchors) - self.num_fixed
        return Data(
            node=torch.from_numpy(nodes[first:]),
            y=rows[first:].float(),
            eigenvalues=embedded.values[: self.embedding.num_eigenvectors].float(),
            residual=float(alignment.residual),
            rank=int(alignment.rank),
            num_components=embedded.num_components,
            converged=embedded.converged,
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.graph!r}, num_anchors={len(self.anchors)}, "
            f"batch_operator={self.batch_operator!r})"
        )


def connected_share(graph: GivenGraph, num_drawn: int, seed: int) -> float:
    r"""The mean share of the nodes of a random sample that hang together in the graph
    that the sample induces: of each component of the whole graph, those in the largest
    piece that is left of it."""
    rng = np.random.default_rng(seed)
    num_together = 0
    for _ in range(NUM_LOOKS):
        drawn = rng.choice(graph.num_nodes, num_drawn, replace=False)
        pieces = graph.subgraph(drawn).components
        largest = np.zeros(graph.num_components, dtype=np.int64)
        np.maximum.at(largest, graph.components[drawn], np.bincount(pieces)[pieces])
        num_together += int(largest.sum())
    return num_together / (NUM_LOOKS * num_drawn)


def _embed(
    graph: GivenGraph,
    sample: NDArray[np.int64],
    nodes: NDArray[np.int64],
    embedding: ExactEmbedding,
    batch_operator: BatchOperator,
    seed: int,
) -> SpectralRows:
    r"""The rows of some nodes, of components that are sampled, in the embedding of a
    sample; of an induced one they are the sample itself."""
    place: NDArray[np.int64] = np.arange(len(nodes))
    if batch_operator == "induced":
        part = graph.subgraph(sample)
    else:
        cell = nearest_seeds(graph, sample, seed)
        part, place = coarsened(graph, cell, len(sample)), cell[nodes]
    # The eigenvectors of the random walk are functions of the nodes; those of the
    # normalised Laplacian have a factor that hangs on what is sampled.
    kind: Literal["rw", "comb"] = "comb" if embedding.laplacian == "comb" else "rw"
    embedded = replace(embedding, laplacian=kind).rows_of(part.laplacian(kind))
    vectors = embedded.vectors[torch.from_numpy(place)]
    if embedding.laplacian == "sym":
        degree = torch.from_numpy(graph.degree[nodes])
        # An isolated node is a null vector of its own, whatever its factor is.
        root = torch.where(degree > 0, degree, 1.0).sqrt()
        vectors = vectors * root.unsqueeze(1)
    scale = vectors.square().mean(dim=0).rsqrt()
    return replace(
        embedded, vectors=vectors * scale, num_components=part.num_components
    )
