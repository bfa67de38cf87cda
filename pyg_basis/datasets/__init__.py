r"""Toy sets, manifolds with known eigenfunctions, digits, and a rotating toy."""

from pyg_basis.datasets.digits import ImageSplit, digits
from pyg_basis.datasets.manifolds import (
    circle,
    circle_eigenfunctions,
    sphere,
    sphere_eigenfunctions,
)
from pyg_basis.datasets.toys import (
    TOYS,
    blobs,
    circles,
    spirals,
    three_moons,
    two_moons,
)
from pyg_basis.datasets.turntable import Turntable, turntable

__all__ = [
    "TOYS",
    "ImageSplit",
    "Turntable",
    "blobs",
    "circle",
    "circle_eigenfunctions",
    "circles",
    "digits",
    "sphere",
    "sphere_eigenfunctions",
    "spirals",
    "three_moons",
    "turntable",
    "two_moons",
]
