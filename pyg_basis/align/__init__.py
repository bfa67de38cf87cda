r"""Affine maps between embeddings."""

from pyg_basis.align.aligner import Aligner, AlignmentMethod, get_aligner
from pyg_basis.align.alignment import Alignment
from pyg_basis.align.fit_affine import fit_affine
from pyg_basis.align.least_squares import LeastSquares
from pyg_basis.align.moment_preserving import MomentPreserving
from pyg_basis.align.orthogonal import Orthogonal
from pyg_basis.align.ransac import RANSAC

__all__ = [
    "RANSAC",
    "Aligner",
    "Alignment",
    "AlignmentMethod",
    "LeastSquares",
    "MomentPreserving",
    "Orthogonal",
    "fit_affine",
    "get_aligner",
]
