import math
from collections.abc import Callable, Mapping
from typing import Any, get_args

import numpy as np
import torch
from torch import nn

from pyg_basis.align.fit_affine import AlignmentMethod
from pyg_basis.eigen.eigenpairs import SOLVERS
from pyg_basis.reference import ExactEmbedding
from pyg_basis.reference.choose_anchors import AnchorMethod

LAPLACIANS = ("sym", "rw", "comb")
BANDWIDTHS = ("self_tuning", "global")
GRAPHS = ("auto", "knn", "edges")
GRAPH_TARGETS = ("auto", "exact", "coarsened")


Rule = tuple[Callable[[Any], bool], str]


def check_values(estimator: Any, rules: Mapping[str, Rule]) -> None:
    """Raises a ValueError that names the first parameter of an estimator that
    cannot be used, its value, and what is allowed."""
    for name, value in estimator.get_params(deep=False).items():
        if name not in rules:
            continue
        is_allowed, allowed = rules[name]
        if not is_allowed(value):
            raise ValueError(f"{name}={value!r} cannot be used: it must be {allowed}")


def check_parameters(estimator: Any) -> None:
    """The same for a BASiS estimator, with the rules between its parameters."""
    check_values(estimator, RULES)
    if estimator.n_anchors >= estimator.batch_size:
        raise ValueError(
            f"n_anchors={estimator.n_anchors} leaves no other node in a batch of "
            f"batch_size={estimator.batch_size}: use fewer anchors or larger batches"
        )
    if estimator.n_neighbors >= estimator.batch_size:
        raise ValueError(
            f"n_neighbors={estimator.n_neighbors} is above what a batch of "
            f"batch_size={estimator.batch_size} nodes has: use at most "
            f"{estimator.batch_size - 1}"
        )
    least = least_anchors(estimator)
    if estimator.n_anchors < least:
        raise ValueError(
            f"n_anchors={estimator.n_anchors} cannot fix an affine map of "
            f"n_components={estimator.n_components} columns: use at least {least}, "
            f"better ten times as many"
        )


def learned_embedding(estimator: Any, num_neighbors: int) -> ExactEmbedding:
    """The embedding of batches that a BASiS estimator learns from."""
    is_walk = estimator.laplacian == "sym" and estimator.extend_degree
    return ExactEmbedding(
        estimator.n_components,
        num_neighbors,
        estimator.bandwidth,
        "rw" if is_walk else estimator.laplacian,
        estimator.drop_first,
    )


def least_anchors(estimator: Any) -> int:
    """How many anchors fix the affine map of batches."""
    return learned_embedding(estimator, estimator.n_neighbors).least_anchors


def count(least: int) -> Rule:
    """The rule of integers from the least one on."""

    def is_allowed(value: Any) -> bool:
        is_integer = isinstance(value, (int, np.integer))
        return is_integer and not isinstance(value, bool) and value >= least

    return is_allowed, f"an integer of at least {least}"


def one_of(*names: str) -> Rule:
    """The rule of a few names."""

    def is_allowed(value: Any) -> bool:
        return isinstance(value, str) and value in names

    return is_allowed, "one of " + ", ".join(repr(name) for name in names)


def switch() -> Rule:
    """The rule of what is on or off."""
    return lambda value: isinstance(value, bool), "True or False"


def _is_finite(value: Any) -> bool:
    is_number = isinstance(value, (int, float, np.integer, np.floating))
    return is_number and not isinstance(value, bool) and math.isfinite(value)


def is_positive(value: Any) -> bool:
    """Whether it is a finite number above 0."""
    return _is_finite(value) and value > 0


def not_negative() -> Rule:
    """The rule of finite numbers from 0 on."""
    return lambda value: _is_finite(value) and value >= 0, "a number of at least 0"


def _is_device(value: Any) -> bool:
    # A name may be known to torch and still be of no device that is here.
    try:
        torch.zeros((), device=torch.device(value)).item()
    except (AssertionError, RuntimeError, TypeError, ValueError):
        return False
    return True


RULES: dict[str, Rule] = {
    "n_components": count(1),
    "n_anchors": count(1),
    "batch_size": count(2),
    "reference_size": (
        lambda value: value is None or count(2)[0](value),
        "an integer of at least 2, or None",
    ),
    "n_neighbors": count(1),
    "max_iter": count(1),
    "laplacian": one_of(*LAPLACIANS),
    "drop_first": switch(),
    "bandwidth": (
        lambda value: is_positive(value) or one_of(*BANDWIDTHS)[0](value),
        "'self_tuning', 'global' or a positive number",
    ),
    "anchor_method": one_of(*get_args(AnchorMethod)),
    "alignment": one_of(*get_args(AlignmentMethod)),
    "extend_degree": switch(),
    "eigen_solver": one_of("auto", *SOLVERS),
    "graph": one_of(*GRAPHS),
    "graph_targets": one_of(*GRAPH_TARGETS),
    "readout": switch(),
    "network": (
        lambda value: value is None or isinstance(value, nn.Module),
        "a torch.nn.Module or None",
    ),
    "learning_rate": (is_positive, "a positive number"),
    "tol": (
        lambda value: value is None or not_negative()[0](value),
        "a number of at least 0, or None",
    ),
    "num_workers": count(0),
    "device": (_is_device, "a device that torch has here, such as 'cpu'"),
}
