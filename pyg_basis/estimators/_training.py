import copy
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.algorithm import History, Looks
from pyg_basis.estimators._batch_sizes import BatchSizes
from pyg_basis.estimators._quality import HeldOut
from pyg_basis.nn import BASiSLayer
from pyg_basis.readout import RitzVectors
from pyg_basis.reference import ExactEmbedding


class ReadOutStep(Looks, Protocol):
    r"""What reads the eigenvectors out of the layer that is trained."""

    def finish(self) -> RitzVectors | None:
        r"""Reads out of the network as it was at the last :meth:`excess`, which is as
        it is; nothing where the hidden features do not span enough."""

    def fit_degree(self) -> None:
        r"""Learns the degrees alone, where there is no read-out to do it."""


class Training(NamedTuple):
    """What a training needs: a layer ready for it, the batches, what reads the
    eigenvectors out, the nodes that the fit is measured at, the sizes that the points
    allow, and the eigenvalues of the reference with the trivial one."""

    layer: BASiSLayer
    batches: Iterable[Data]
    read_out: ReadOutStep
    held_out: HeldOut
    sizes: BatchSizes
    eigenvalues: Tensor


def new_layer(
    estimator: Any, num_features: int, sizes: BatchSizes, seed: int
) -> BASiSLayer:
    r"""A layer with the settings of a BASiS estimator, on its device."""
    with seeded_global_generator(seed):
        layer = BASiSLayer(
            num_features,
            estimator.n_components,
            num_anchors=sizes.num_anchors,
            network=copy.deepcopy(estimator.network),
            num_neighbors=sizes.num_neighbors,
            bandwidth=estimator.bandwidth,
            laplacian=estimator.laplacian,
            drop_first=estimator.drop_first,
            alignment=estimator.alignment,
            extend_degree=estimator.extend_degree,
            eigen_solver=estimator.eigen_solver,
        )
    return layer.to(estimator.device)


@contextmanager
def seeded_global_generator(seed: int, device: str = "cpu") -> Iterator[None]:
    r"""Seeds the global generators, which weights and dropout are drawn from,
    and puts them back as they were."""
    devices = [torch.device(device)] if "cuda" in str(device) else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        for cuda in devices:
            with torch.cuda.device(cuda):
                torch.cuda.manual_seed(seed)
        yield


def warn_about_batches(
    history: History, embedding: ExactEmbedding, uses_edges: bool
) -> None:
    r"""Warns when a tenth or more of the batches did not determine their
    targets, and says what helps; in a graph that is given no more neighbors can."""
    num_batches = len(history["loss"])
    num_eigenvectors = embedding.num_eigenvectors
    most = embedding.num_pairs  # as many zero eigenvalues as components
    has_constant = embedding.laplacian != "sym" and not embedding.drop_first
    more_edges = "" if uses_edges else "n_neighbors, "
    causes = {
        f"fell into more than {most} components, so that their first eigenvectors "
        f"are not unique: raise {more_edges}batch_size or "
        f"n_components={num_eigenvectors}": [
            count > most for count in history["num_components"]
        ],
        "did not reach the tolerance of the eigensolver": [
            not converged for converged in history["converged"]
        ],
        "had anchors that agree on no alignment, and fell back to least squares over "
        "all: raise n_anchors": [not agreed for agreed in history["consensus"]],
        "had anchors that do not determine the alignment: raise n_anchors": [
            rank < num_eigenvectors - int(has_constant) for rank in history["rank"]
        ],
    }
    for cause, is_affected in causes.items():
        if sum(is_affected) >= 0.1 * num_batches:
            warnings.warn(
                f"{sum(is_affected)} of {num_batches} batches {cause}",
                UserWarning,
                stacklevel=3,
            )
