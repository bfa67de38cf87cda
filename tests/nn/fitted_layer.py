"""A layer in which nothing is left at its default, for the tests of what is done with
layers as a whole."""

from typing import Any

from pyg_basis import BASiSLayer
from tests.nn.test_basis_layer import ready_layer, three_blobs


def fitted_layer(**kwargs: Any) -> BASiSLayer:
    layer = ready_layer(**kwargs)
    layer.rayleigh_ritz(three_blobs())
    return layer
