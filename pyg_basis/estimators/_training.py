import copy
from multiprocessing import current_process
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from pyg_basis._warn import warn
from pyg_basis.algorithm import ReadOut
from pyg_basis.data import AnchorLoader, GraphLoader
from pyg_basis.estimators._batch_sizes import BatchSizes
from pyg_basis.estimators._quality import HeldOut
from pyg_basis.nn import BASiSLayer
from pyg_basis.reference import ExactEmbedding
from pyg_basis.training_state import History

if TYPE_CHECKING:
    from pyg_basis.estimators.basis import BASiS


class Training(NamedTuple):
    """A prepared training: the layer, the batches, the read-out, the nodes for
    measuring the fit, the sizes adapted to the points, and the eigenvalues of the
    reference, including the trivial one."""

    layer: BASiSLayer
    batches: AnchorLoader | GraphLoader
    read_out: ReadOut
    held_out: HeldOut
    sizes: BatchSizes
    eigenvalues: Tensor


def new_layer(
    estimator: "BASiS", num_features: int, sizes: BatchSizes, seed: int
) -> BASiSLayer:
    r"""Returns a layer with the settings of a BASiS estimator, on its device."""
    layer = BASiSLayer(
        num_features,
        estimator.n_components,
        num_anchors=sizes.num_anchors,
        network=copy.deepcopy(estimator.network),
        num_neighbors=sizes.num_neighbors,
        bandwidth=estimator.bandwidth,
        laplacian=estimator.laplacian,
        alpha=estimator.alpha,
        drop_first=estimator.drop_first,
        alignment=estimator.alignment,
        extend_degree=estimator.extend_degree,
        eigen_solver=estimator.eigen_solver,
        generator=torch.Generator().manual_seed(seed),
        metric=estimator.metric,
    )
    # In single precision, even if the caller's default differs.
    return layer.to(estimator.device, torch.float32)


def allowed_workers(estimator: "BASiS") -> int:
    r"""Returns the number of worker processes that a BASiS estimator may start: none in
    a worker process, such as of a :class:`torch.utils.data.DataLoader`. The result of
    the fit does not depend on it."""
    return 0 if current_process().daemon else estimator.num_workers


def warn_about_batches(
    history: History, embedding: ExactEmbedding, uses_edges: bool
) -> None:
    r"""Warns, with a remedy, if a tenth or more of the batches did not determine their
    targets. For a given graph, more neighbors are no remedy."""
    num_batches = len(history["loss"])
    num_eigenvectors = embedding.num_eigenvectors
    most = embedding.num_pairs  # zero eigenvalues, one per component
    num_mapped = num_eigenvectors - int(
        embedding.has_constant and not embedding.drop_first
    )
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
        "had anchors that do not determine the alignment: raise n_anchors, or give "
        "more distinct points": [rank < num_mapped for rank in history["rank"]],
    }
    for cause, is_affected in causes.items():
        if sum(is_affected) >= 0.1 * num_batches:
            warn(
                f"{sum(is_affected)} of {num_batches} batches {cause}",
            )
