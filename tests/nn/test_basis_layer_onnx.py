from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyg_basis import BASiSLayer
from tests.nn.layers import fitted_layer, three_blobs

NUM_NODES = (0, 1, 2, 25, 26, 1000)


class Exported:
    """The layer in a file of its own, as another program would run it."""

    def __init__(self, layer: BASiSLayer, example: Tensor, path: Path) -> None:
        torch.onnx.export(
            layer.eval(),
            (example,),
            path,
            input_names=["x"],
            output_names=["embedding"],
            dynamic_shapes={"x": {0: "nodes"}},
            external_data=False,
            dynamo=True,
            verbose=False,
        )
        self.session = onnxruntime.InferenceSession(path)

    def __call__(self, x: Tensor) -> NDArray[Any]:
        (embedding,) = self.session.run(["embedding"], {"x": x.numpy()})
        return embedding


def assert_same(exported: Exported, layer: BASiSLayer, x: Tensor, atol: float) -> None:
    with torch.no_grad():
        expected = layer(x).numpy()
    found = exported(x)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize(("laplacian", "num_examples"), [("sym", 3), ("rw", 60)])
def test_any_number_of_nodes(laplacian: Any, num_examples: int, tmp_path: Path) -> None:
    layer = fitted_layer(laplacian=laplacian)
    exported = Exported(layer, three_blobs(num_examples), tmp_path / "layer.onnx")
    assert exported.session.get_inputs()[0].shape == ["nodes", 2]
    assert exported.session.get_outputs()[0].shape == ["nodes", 2]
    for num_nodes in NUM_NODES:
        # Degrees are exponentials of what single precision leaves of a product.
        assert_same(exported, layer, three_blobs(num_nodes, seed=1), atol=3e-5)


def test_default_network(tmp_path: Path) -> None:
    layer = fitted_layer(network=None)
    exported = Exported(layer, three_blobs(3), tmp_path / "layer.onnx")
    assert_same(exported, layer, three_blobs(100, seed=1), atol=1e-5)


def test_what_is_for_training_is_left_behind(tmp_path: Path) -> None:
    layer = fitted_layer(laplacian="sym")
    path = tmp_path / "layer.onnx"
    Exported(layer, three_blobs(3), path)
    kept = {value.name for value in onnx.load(path).graph.initializer}
    assert {"root_degree.intercept", "standardization.mean"} <= kept
    assert "output.eigenvalues" not in kept
    assert kept.isdisjoint(name for name, _ in layer.named_buffers(recurse=False))
