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

# A fit that captures a smaller share of the exact eigenvectors is poor.
POOR = 0.9
# From this share on, a fit is good even if training ended early: at new points, further
# training improves it little.
DONE = 0.95
# A gap after the last eigenvalue that is smaller, relative to it, does not count: the
# eigenvectors there vary between samples.
NO_GAP = 0.1

# Missing share per eigenvector, in the span of the hidden features, above which
# training ended far from convergence: twenty times the share for early stopping.
FAR_FROM_DONE = 0.02

# Share of nodes to hold out, relative to those that the fit is measured on.
HELD_OUT_SHARE = 0.1
# Minimum number of held-out points per eigenvector: with fewer, the distance of spaces
# means little, and none are held out.
LEAST_HELD_OUT = 20


class HeldOut(NamedTuple):
    """Nodes for measuring a fit: their features, and their rows of the exact
    eigenvectors of a graph.

    Args:
        x (Tensor): Features, ``[m, d]``.
        exact (Tensor): Rows of the first K exact eigenvectors, ``[m, K]``.
        took_part (bool): Whether they are part of the fit, because there are too few
            points to hold some out.
    """

    x: Tensor
    exact: Tensor
    took_part: bool


def captured_shares(rows: Tensor, exact: Tensor) -> Tensor:
    """Returns the share of each exact eigenvector in the span of learned columns: the
    squared cosine of their angle, ``[K]``. For equal numbers of columns, K minus the
    sum is d_G (Eq. 16 of the paper)."""
    basis = torch.linalg.qr(exact.double().cpu()).Q
    span, values, _ = torch.linalg.svd(rows.double().cpu(), full_matrices=False)
    span = span[:, values > values[0] * 1e-10]
    return (span.T @ basis).square().sum(dim=0)


def captured_by_all(
    layer: BASiSLayer, vectors: RitzVectors, held_out: HeldOut
) -> Tensor:
    """Returns the share of each exact eigenvector in the span of all vectors of a
    read-out, ``[K]``: those of the embedding, and some more."""
    rows = vectors.rows(layer.hidden(held_out.x))
    if layer.extend_degree:
        rows = rows * layer.root_degree(held_out.x).unsqueeze(1)
    return captured_shares(rows, held_out.exact)


@torch.no_grad()
def quality(
    layer: BASiSLayer,
    vectors: RitzVectors,
    held_out: HeldOut,
    history: dict[str, list[float]],
) -> dict[str, Any]:
    """Measures the quality of a fit, as plain values, see ``BASiS.quality_``."""
    rows = layer(held_out.x)
    k = rows.size(1)
    captured = captured_shares(rows, held_out.exact)
    values = vectors.values[k - 1 : k + 1].tolist()
    return {
        "grassmann_distance": k - float(captured.sum()),
        "captured": captured.tolist(),
        "captured_by_more": float(captured_by_all(layer, vectors, held_out).mean()),
        "eigengap": values[1] - values[0] if len(values) == 2 else None,
        "disconnected_batches": float(np.mean(np.array(history["num_components"]) > 1)),
        "num_nodes": len(held_out.x),
        "held_out": not held_out.took_part,
    }


def is_far_from_done(
    history: History, num_pairs: int, max_iter: int, tol: float | None
) -> bool:
    """Whether ``max_iter`` ended the training while much was missing in the span of the
    hidden features, and still decreasing."""
    *before, last = history["missing"]
    num_batches = len(history["loss"])
    most = FAR_FROM_DONE * num_pairs
    if num_batches < max_iter or not most < last < inf:
        return False
    if not before or tol is None:
        return True
    earlier = FIRST_LOOK * 2 ** (len(before) - 1)
    # Expected decrease since the last check, if more batches still help.
    share = max(1 - tol, 0) ** ((num_batches - earlier) / earlier)
    return last <= share * before[-1]


def warn_if_poor(
    found: dict[str, Any],
    eigenvalues: NDArray[np.floating[Any]],
    max_iter: int,
    is_whole: bool,
    unfinished: bool,
) -> None:
    """Warns, with a remedy, if the training ended far from convergence
    (``unfinished``), or the embedding lacks much of the exact eigenvectors: of a given
    graph with exact targets (``is_whole``), or of samples."""
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
            f"max_iter={max_iter}, or give features that say more about the edges, "
            f"for example by adding the features of the neighbors"
        )
    elif is_poor and (not has_gap or found["captured_by_more"] >= POOR):
        remedy = (
            f"no gap follows eigenvalue {k}, so that the last eigenvectors differ from "
            f"sample to sample: choose n_components where a gap follows, as "
            f"n_components='eigengap' does, if there is one in eigenvalues_; points "
            f"without structure have none"
        )
    elif unfinished:
        category = ConvergenceWarning
        remedy = (
            f"max_iter={max_iter} ended the training early (see missing in history_): "
            f"raise it until quality_ no longer improves"
        )
    else:
        remedy = (
            f"raise max_iter={max_iter}, n_neighbors or reference_size, scale the "
            f"features, or give features in which neighbors are alike"
        )
    warn(f"{in_words(found)}: {remedy}", category)


def in_words(found: dict[str, Any]) -> str:
    """Describes the quality of a fit."""
    where = "held-out points" if found["held_out"] else "the points of the fit itself"
    return (
        f"the embedding holds {np.mean(found['captured']):.0%} of the exact "
        f"eigenvectors at {where} (d_G {found['grassmann_distance']:.2f} of "
        f"{len(found['captured'])}, see quality_)"
    )
