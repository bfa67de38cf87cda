import copy
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from torch import nn

from pyg_basis._constraints import POSITIVE, StrOptions, at_least, check_arguments
from pyg_basis.align.aligner import AlignmentMethod
from pyg_basis.eigen.eigenpairs import SOLVERS
from pyg_basis.graph.affinity import BANDWIDTH
from pyg_basis.graph.laplacian import ALPHA, KIND
from pyg_basis.reference import ExactEmbedding
from pyg_basis.reference.choose_anchors import AnchorMethod
from pyg_basis.reference.unit_rows import METRIC

if TYPE_CHECKING:
    from pyg_basis.estimators.basis import BASiS

# Value of n_components that chooses the number before the largest gap.
EIGENGAP = "eigengap"

# Parameter constraints for scikit-learn's validation.
CONSTRAINTS: dict[str, list[Any]] = {
    "n_components": [at_least(1), StrOptions({EIGENGAP})],
    "n_anchors": [at_least(1)],
    "batch_size": [at_least(2)],
    "reference_size": [at_least(2), None],
    "n_neighbors": [at_least(1)],
    "max_iter": [at_least(1)],
    "laplacian": KIND,
    "alpha": ALPHA,
    "diffusion_time": [POSITIVE, None],
    "drop_first": ["boolean"],
    "metric": METRIC,
    "bandwidth": BANDWIDTH,
    "anchor_method": [StrOptions(set(get_args(AnchorMethod)))],
    "alignment": [StrOptions(set(get_args(AlignmentMethod)))],
    "extend_degree": ["boolean"],
    "eigen_solver": [StrOptions({"auto", *SOLVERS})],
    "graph": [StrOptions({"auto", "knn", "edges"})],
    "graph_targets": [StrOptions({"auto", "exact", "coarsened"})],
    "readout": ["boolean"],
    "network": [nn.Module, None],
    "learning_rate": [POSITIVE],
    "tol": [Interval(Real, 0, np.inf, closed="left"), None],
    "num_workers": [at_least(0)],
    "device": [str, torch.device],
    "random_state": ["random_state"],
    "updatable": ["boolean"],
    "verbose": ["verbose"],
}


def has_device(device: str | torch.device) -> bool:
    """Whether torch can compute there: it may know a device name without having one."""
    try:
        torch.zeros((), device=device).item()
    except (AssertionError, RuntimeError):
        return False
    return True


def check_parameters(estimator: "BASiS") -> None:
    """Raises a ValueError for the first invalid parameter of a BASiS estimator, with
    its name, its value, and what is allowed."""
    estimator._validate_params()
    if not has_device(estimator.device):
        raise ValueError(
            f"device={estimator.device!r} cannot be used: it must be a device that "
            f"torch has here, such as 'cpu'"
        )
    check_diffusion_time(estimator)
    batch_size = estimator.batch_size
    if estimator.n_anchors >= batch_size:
        raise ValueError(
            f"n_anchors={estimator.n_anchors} leaves no other node in a batch of "
            f"batch_size={batch_size}: use fewer anchors or larger batches"
        )
    if estimator.n_neighbors >= batch_size:
        raise ValueError(
            f"n_neighbors={estimator.n_neighbors} is above what a batch of "
            f"batch_size={batch_size} nodes has: use at most {batch_size - 1}"
        )
    is_chosen = estimator.n_components == EIGENGAP  # limited by the anchors
    least = least_anchors(with_components(estimator, 1) if is_chosen else estimator)
    if estimator.n_anchors < least:
        raise ValueError(
            f"n_anchors={estimator.n_anchors} cannot fix an affine map of "
            f"n_components={estimator.n_components} columns: use fewer components, or "
            f"at least {least} anchors, better ten times as many, of at least "
            f"{2 * least} points"
        )


def check_diffusion_time(estimator: "BASiS") -> None:
    """Raises a ValueError if a map cannot have this diffusion time, which may have
    changed since the fit."""
    time = estimator.diffusion_time
    check_arguments(CONSTRAINTS, type(estimator).__name__, diffusion_time=time)
    if time is not None and estimator.laplacian == "comb":
        raise ValueError(
            f"diffusion_time={time} needs a random walk, and laplacian='comb' is of "
            f"none: use laplacian='rw'"
        )


def with_components(estimator: "BASiS", num_components: int) -> "BASiS":
    """Returns a copy with this number of components."""
    other = copy.copy(estimator)
    other.n_components = num_components
    return other


def with_plain_integers(estimator: "BASiS") -> "BASiS":
    """Returns a copy with NumPy integers replaced by Python's, since small ones
    overflow."""
    plain = copy.copy(estimator)
    for name, value in estimator.get_params(deep=False).items():
        if isinstance(value, np.integer):
            setattr(plain, name, int(value))
    return plain


def exact_embedding(estimator: "BASiS", num_neighbors: int) -> ExactEmbedding:
    """Returns the exact embedding of a set that a BASiS estimator approximates."""
    return ExactEmbedding(
        estimator.n_components,
        num_neighbors,
        estimator.bandwidth,
        estimator.laplacian,
        estimator.drop_first,
        alpha=estimator.alpha,
        metric=estimator.metric,
    )


def least_anchors(estimator: "BASiS") -> int:
    """Minimum number of anchors to determine the affine map of batches."""
    embedding = exact_embedding(estimator, estimator.n_neighbors)
    if estimator.laplacian == "sym" and estimator.extend_degree:
        embedding = replace(embedding, laplacian="rw")  # the kind that batches learn
    return embedding.least_anchors
