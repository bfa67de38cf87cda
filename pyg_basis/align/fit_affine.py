from typing import Any

import torch
from torch import Tensor

from pyg_basis._warn import warn
from pyg_basis.align.aligner import (
    Aligner,
    AlignmentMethod,
    get_aligner,
    keeps_width,
)
from pyg_basis.align.alignment import Alignment, full_dtype


def fit_affine(
    source: Tensor, target: Tensor, method: AlignmentMethod | Aligner = "lstsq"
) -> Alignment:
    r"""Fits the affine map from one embedding of the anchors to another.

    It minimizes :math:`\sum_i \| \phi^{ref}_i - T [\phi_i, 1] \|^2` over :math:`T`
    (Eq. 12-13 of `BASiS <https://arxiv.org/abs/2211.16960>`_).

    Args:
        source (Tensor): The anchors' rows to be mapped, :obj:`[l, K_source]`.
        target (Tensor): The anchors' reference rows, :obj:`[l, K_target]`.
        method (str or aligner, optional): :obj:`"lstsq"`, :obj:`"ransac"`
            (robust to outlying anchors), :obj:`"orthogonal"` (rotation,
            reflection and shift only), :obj:`"moments"` (linear, preserves the
            target's second moments), or an instance of :class:`LeastSquares`,
            :class:`RANSAC`, :class:`Orthogonal` or :class:`MomentPreserving`.
            (default: :obj:`"lstsq"`)

    Returns:
        Alignment: The map with its residual, inlier share and rank.

    Raises:
        ValueError: For other shapes, rows that are not floating-point tensors on one
            device, non-finite or huge values (over 5e102, or over 6e12 if either is of
            single precision), fewer than :obj:`K_source + 1` anchors, an unknown
            method, or sizes so different that the map or its residual overflows.

    Warns:
        RuntimeWarning: If the anchors do not determine the map, or too few of them
            agree on one for RANSAC.
    """
    aligner = get_aligner(method)
    _check(source, target, aligner)
    alignment = aligner.fit(source, target)
    mapped = alignment.apply(source.to(full_dtype(source)))
    if not (mapped.isfinite().all() and alignment.residual.isfinite()):
        raise ValueError(
            "source and target are of such different sizes that the map between them, "
            "or its residual, overflows: bring both to one scale"
        )
    if not alignment.consensus:
        warn(
            f"{aligner} found no affine map on which more than {source.size(1) + 1} of "
            f"{source.size(0)} anchors agree: least squares over all anchors was used "
            f"instead; raise the tolerance or num_trials, or use more anchors",
            RuntimeWarning,
        )
    if int(alignment.rank) < source.size(1):
        warn(
            f"the source anchors span {int(alignment.rank)} of {source.size(1)} "
            f"dimensions and do not determine the map: the solution of least norm was "
            f"taken; choose more, or more varied, anchors",
            RuntimeWarning,
        )
    return alignment


def _check(source: Any, target: Any, aligner: Aligner) -> None:
    both = {"source": source, "target": target}
    for name, rows in both.items():
        if not isinstance(rows, Tensor):
            raise ValueError(
                f"{name} must be a tensor, got {type(rows).__name__}: pass "
                f"torch.as_tensor({name})"
            )
        is_dense = rows.layout == torch.strided and not rows.is_meta
        is_matrix = rows.dim() == 2 and rows.size(1) > 0 and rows.is_floating_point()
        if not is_dense or not is_matrix:
            raise ValueError(
                f"{name} must be a dense floating-point matrix [anchors, columns], got "
                f"{rows.dtype} of shape {tuple(rows.shape)}, {rows.layout} on "
                f"{rows.device}: pass one row of eigenvectors an anchor"
            )
    # Products of three larger values overflow in the lower of the two precisions.
    huge = min(torch.finfo(full_dtype(rows)).max for rows in both.values()) ** (1 / 3)
    for name, rows in both.items():
        if not (rows.double().abs() < huge).all():
            raise ValueError(
                f"{name} holds NaN, infinite or huge values: embed the anchors again "
                f"after cleaning their features"
            )
    if source.device != target.device:
        raise ValueError(
            f"source is on {source.device} and target on {target.device}: pass "
            f"source.to(target.device)"
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
