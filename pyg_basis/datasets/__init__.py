r"""Toy sets, manifolds with known eigenfunctions, image sets and graphs."""

from pyg_basis.datasets.digits import digits
from pyg_basis.datasets.image_split import ImageSplit
from pyg_basis.datasets.load_graph import load_graph
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
    "load_graph",
    "sphere",
    "sphere_eigenfunctions",
    "spirals",
    "three_moons",
    "two_moons",
]
