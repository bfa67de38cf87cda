r"""Toy sets, manifolds with known eigenfunctions, and digits."""

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

__all__ = [
    "TOYS",
    "ImageSplit",
    "blobs",
    "circle",
    "circle_eigenfunctions",
    "circles",
    "digits",
    "sphere",
    "sphere_eigenfunctions",
    "spirals",
    "three_moons",
    "two_moons",
]
