import warnings
from typing import Literal

import torch
from torch import Tensor

from pyg_basis.align.alignment import Alignment
from pyg_basis.align.least_squares import LeastSquares
from pyg_basis.align.moment_preserving import MomentPreserving
from pyg_basis.align.orthogonal import Orthogonal
from pyg_basis.align.ransac import RANSAC

AlignmentMethod = Literal["lstsq", "ransac", "orthogonal", "moments"]
Aligner = LeastSquares | RANSAC | Orthogonal | MomentPreserving


def fit_affine(
    source: Tensor, target: Tensor, method: AlignmentMethod | Aligner = "lstsq"
) -> Alignment:
    r"""Fits the affine map that carries one embedding of the anchors to
    another, :math:`\min_T \sum_i \| \phi^{ref}_i - T [\phi_i, 1] \|^2`
    (Eq. 12-13 of `BASiS <https://arxiv.org/abs/2211.16960>`_).

    Args:
        source (Tensor): The anchors' rows to be mapped, :obj:`[l, K_source]`.
        target (Tensor): The anchors' reference rows, :obj:`[l, K_target]`.
        method (str or aligner, optional): :obj:`"lstsq"`, :obj:`"ransac"`
            (robust to outlying anchors), :obj:`"orthogonal"` (rotation,
            reflection and shift only), :obj:`"moments"` (linear, with the
            target's second moments), or an instance of :class:`LeastSquares`,
            :class:`RANSAC`, :class:`Orthogonal` or :class:`MomentPreserving`.
            (default: :obj:`"lstsq"`)

    Returns:
        Alignment: The map with its residual, inlier share and rank.

    Raises:
        ValueError: For other shapes, non-finite rows, fewer than
            :obj:`K_source + 1` anchors or an unknown method.

    Warns:
        RuntimeWarning: When the anchors do not determine the map.
    """
    aligner = get_aligner(method)
    _check(source, target, aligner)
    alignment = aligner.fit(source, target)
    if int(alignment.rank) < source.size(1):
        warnings.warn(
            f"the source anchors span {int(alignment.rank)} of {source.size(1)} "
            f"dimensions and do not determine the map: the solution of least norm was "
            f"taken; choose more, or more varied, anchors",
            RuntimeWarning,
            stacklevel=2,
        )
    return alignment


def get_aligner(method: AlignmentMethod | Aligner) -> Aligner:
    r"""The aligner of a name, or the aligner itself.

    Raises:
        ValueError: If the name is unknown.
    """
    if isinstance(method, Aligner):
        return method
    aligners: dict[str, type[Aligner]] = {
        "lstsq": LeastSquares,
        "ransac": RANSAC,
        "orthogonal": Orthogonal,
        "moments": MomentPreserving,
    }
    if method not in aligners:
        raise ValueError(
            f"method={method!r} is unknown: use one of {sorted(aligners)}, or an "
            f"instance of LeastSquares, RANSAC, Orthogonal or MomentPreserving"
        )
    return aligners[method]()


def keeps_width(aligner: Aligner) -> bool:
    r"""Whether an aligner maps to as many columns as it maps from, and no others."""
    return isinstance(aligner, Orthogonal | MomentPreserving)


def _check(source: Tensor, target: Tensor, aligner: Aligner) -> None:
    for name, rows in (("source", source), ("target", target)):
        if rows.dim() != 2 or rows.size(1) == 0 or not rows.is_floating_point():
            raise ValueError(
                f"{name} must be a floating-point matrix [anchors, columns], got "
                f"{rows.dtype} of shape {tuple(rows.shape)}: pass one row of "
                f"eigenvectors an anchor"
            )
        if not torch.isfinite(rows).all():
            raise ValueError(
                f"{name} holds NaN or infinite values: embed the anchors again after "
                f"cleaning their features"
            )
    if source.size(0) != target.size(0):
        raise ValueError(
            f"source has {source.size(0)} rows and target {target.size(0)}: give both "
            f"the same anchors in the same order"
        )
    if source.size(0) < source.size(1) + 1:
        raise ValueError(
            f"source has {source.size(0)} anchors, but an affine map from "
            f"{source.size(1)} columns needs at least {source.size(1) + 1}: choose "
            f"more anchors or fewer eigenvectors"
        )
    if keeps_width(aligner) and source.size(1) != target.size(1):
        raise ValueError(
            f"method={aligner.__class__.__name__} needs equal widths, got "
            f"{source.size(1)} and {target.size(1)}: use method='lstsq'"
        )
