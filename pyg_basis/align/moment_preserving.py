from dataclasses import dataclass

import torch
from torch import Tensor

from pyg_basis.align.alignment import Alignment

# Directions below this share of the largest are rounding.
NEGLIGIBLE = 1e-12


@dataclass(frozen=True)
class MomentPreserving:
    r"""The linear map that aligns one basis to another and gives it the same second
    moments: the orthogonal Procrustes problem (`Schönemann 1966
    <https://doi.org/10.1007/BF02289451>`_) in whitened coordinates.

    .. math::
        A = S_\psi^{-1/2} \, R \, S_\phi^{1/2}, \qquad
        R = \operatorname{polar}\left(
            S_\psi^{-1/2} \, \psi^\top \phi \, S_\phi^{-1/2} \right)

    for a source :math:`\psi` and a target :math:`\phi` with second moments
    :math:`S_\psi = \psi^\top \psi / l` and :math:`S_\phi`. Two bases of one space are
    mapped exactly, as by least squares. If the spaces differ, least squares shrinks the
    directions they do not share, a little more with every map of a chain; this map
    rotates them. There is no shift: it would make eigenvectors no longer orthogonal to
    the trivial one. Source and target have equal widths.
    """

    def fit(self, source: Tensor, target: Tensor) -> Alignment:
        r"""Fits to :obj:`source [l, K]` and :obj:`target [l, K]`."""
        rows, wanted = source.double(), target.double()
        whitening, _, rank = second_moment_roots(rows)
        target_whitening, coloring, _ = second_moment_roots(wanted)
        covariance = (rows @ whitening).T @ (wanted @ target_whitening)
        left, _, right = torch.linalg.svd(covariance)
        linear = whitening @ left @ right @ coloring
        shift = linear.new_zeros(linear.size(1))
        return Alignment.on_all(source, target, linear, shift, rank, "moments")


def canonical_correlations(source: Tensor, target: Tensor) -> Tensor:
    r"""Returns the cosines of the principal angles between the column spaces of
    :obj:`source [l, K]` and :obj:`target [l, K]`, descending, :obj:`[K]` (`Hotelling
    1936 <https://doi.org/10.1093/biomet/28.3-4.321>`_): 1 for shared directions, 0 for
    a direction in only one of them."""
    dtype = target.dtype
    source, target = source.double(), target.double()
    covariance = (source @ second_moment_roots(source)[0]).T @ (
        target @ second_moment_roots(target)[0]
    )
    cosines = torch.linalg.svdvals(covariance / source.size(0))
    return cosines.clamp(max=1).to(dtype)


def second_moment_roots(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""Returns the inverse square root and the square root of the second moments of
    :obj:`rows [l, K]`, and their rank. The inverse is a pseudoinverse."""
    values, vectors = torch.linalg.eigh(rows.T @ rows / rows.size(0))
    kept = values > NEGLIGIBLE * values[-1]
    values = torch.where(kept, values, 0)
    inverse = torch.where(kept, values.clamp(min=1e-300).rsqrt(), 0)
    return (
        (vectors * inverse) @ vectors.T,
        (vectors * values.sqrt()) @ vectors.T,
        kept.sum(),
    )
