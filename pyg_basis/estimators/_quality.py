from math import inf
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from pyg_basis._warn import warn
from pyg_basis.algorithm import FIRST_LOOK
from pyg_basis.nn import BASiSLayer
from pyg_basis.readout import RitzVectors
from pyg_basis.training_state import History

# Below this share of the exact eigenvectors that the embedding holds a fit is poor.
POOR = 0.9
# From this share on a training that ended early has done what it is for.
DONE = 0.99
# A gap after the last eigenvalue of less than this share of it is none: another sample
# has other eigenvectors there.
NO_GAP = 0.1

# What is missing in the span of the hidden features, of each eigenvector, when the
# training ends far from done: ten times what may be missing for it to end early.
FAR_FROM_DONE = 0.02

# Of the nodes that a fit is measured among, the share that takes no part in it.
HELD_OUT_SHARE = 0.1
# Times the number of eigenvectors: fewer points are not held out, as a distance of
# spaces would say little at them.
LEAST_HELD_OUT = 20


class HeldOut(NamedTuple):
    """Nodes that a fit is measured at: their features, and their rows of the exact
    eigenvectors of a graph.

    Args:
        x (Tensor): Features, ``[m, d]``.
        exact (Tensor): Rows of the first K exact eigenvectors, ``[m, K]``.
        took_part (bool): Whether the fit has seen them, as there were too few points
            to hold some out.
    """

    x: Tensor
    exact: Tensor
    took_part: bool


def captured_shares(rows: Tensor, exact: Tensor) -> Tensor:
    """How much of each exact eigenvector lies in the span of learned columns: the
    squared cosine of the angle between the two, ``[K]``. With as many columns on both
    sides, K minus the sum is d_G (Eq. 16 of the paper)."""
    basis = torch.linalg.qr(exact.double().cpu()).Q
    span, values, _ = torch.linalg.svd(rows.double().cpu(), full_matrices=False)
    span = span[:, values > values[0] * 1e-10]
    return (span.T @ basis).square().sum(dim=0)


@torch.no_grad()
def quality(
    layer: BASiSLayer,
    vectors: RitzVectors,
    held_out: HeldOut,
    history: dict[str, list[float]],
) -> dict[str, Any]:
    """How good a fit is, as plain values: see ``BASiS.quality_``."""
    rows = layer(held_out.x)
    k = rows.size(1)
    widened = vectors.rows(layer.hidden(held_out.x))
    if layer.extend_degree:
        widened = widened * layer.root_degree(held_out.x).unsqueeze(1)
    captured = captured_shares(rows, held_out.exact)
    values = vectors.values[k - 1 : k + 1].tolist()
    return {
        "grassmann_distance": k - float(captured.sum()),
        "captured": captured.tolist(),
        "captured_by_more": float(captured_shares(widened, held_out.exact).mean()),
        "eigengap": values[1] - values[0] if len(values) == 2 else None,
        "disconnected_batches": float(np.mean(np.array(history["num_components"]) > 1)),
        "num_nodes": len(held_out.x),
        "held_out": not held_out.took_part,
    }


def is_far_from_done(
    history: History, num_pairs: int, max_iter: int, tol: float | None
) -> bool:
    """Whether ``max_iter`` ended the training while much was missing in the span of the
    hidden features, and ever less."""
    *before, last = history["excess"]
    num_batches = len(history["loss"])
    most = FAR_FROM_DONE * num_pairs
    if num_batches < max_iter or not most < last < inf:
        return False
    if not before or tol is None:
        return True
    earlier = FIRST_LOOK * 2 ** (len(before) - 1)
    # So much less is missing after twice as many batches, if more do help.
    share = max(1 - tol, 0) ** ((num_batches - earlier) / earlier)
    return last <= share * before[-1]


def warn_if_poor(
    found: dict[str, Any],
    eigenvalues: NDArray[np.floating[Any]],
    max_iter: int,
    is_whole: bool,
    unfinished: bool,
) -> None:
    """Warns when the training ended far from done (``unfinished``), or the embedding
    misses a good part of the exact eigenvectors, with what helps: on a given graph that
    is learned as a whole (``is_whole``), or on samples."""
    share = float(np.mean(found["captured"]))
    is_poor = share < POOR
    unfinished = unfinished and share < DONE
    if not (is_poor or unfinished):
        return
    k = len(found["captured"])
    gap = found["eigengap"]
    has_gap = gap is None or gap >= NO_GAP * eigenvalues[k - 1]
    category = UserWarning
    if is_poor and is_whole:
        remedy = (
            f"a row follows from the features of its node alone: raise "
            f"max_iter={max_iter}, or give features that say more about the edges, as "
            f"with those of the neighbors beside them"
        )
    elif is_poor and (not has_gap or found["captured_by_more"] >= POOR):
        remedy = (
            f"no gap follows eigenvalue {k} (see eigenvalues_), so that the last "
            f"eigenvectors differ from sample to sample: choose n_components where a "
            f"gap follows, as n_components='eigengap' does"
        )
    elif unfinished:
        category = ConvergenceWarning
        remedy = (
            f"the training ended far from done (see excess in history_): raise "
            f"max_iter={max_iter}"
        )
    else:
        remedy = (
            f"raise max_iter={max_iter}, n_neighbors or reference_size, scale the "
            f"features, or give features in which neighbors are alike"
        )
    warn(f"{in_words(found)}: {remedy}", category)


def in_words(found: dict[str, Any]) -> str:
    """How good a fit is."""
    where = "held-out points" if found["held_out"] else "the points"
    return (
        f"the embedding holds {np.mean(found['captured']):.0%} of the exact "
        f"eigenvectors at {where} (d_G {found['grassmann_distance']:.2f} of "
        f"{len(found['captured'])}, see quality_)"
    )
