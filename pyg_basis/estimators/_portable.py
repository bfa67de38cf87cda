"""Export of a fitted embedding as one graph of tensor operations."""

import copy
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from pyg_basis._atomic_file import atomic_file
from pyg_basis.reference.unit_rows import unit_rows

if TYPE_CHECKING:
    from pyg_basis.estimators.basis import BASiS

# Maximum size of a projection in bytes, which graphs store densely. ONNX files are
# limited to 2 GiB, and the rest of a model is a hundredth of that.
MOST_BYTES = 2**30
ONNX_PACKAGES = ("onnx", "onnxscript")
# Number of rows of the example, which stands for any number.
NUM_EXAMPLES = 3


class EmbeddingGraph(nn.Module):
    r""":meth:`BASiS.transform` in single precision, without its checks: points
    :obj:`[n, d]` to the embedding :obj:`[n, K]`.

    Args:
        basis (BASiS): A fitted estimator, which is copied.

    Raises:
        ValueError: If its projection is too large.
    """

    projection: Tensor | None
    factors: Tensor | None

    def __init__(self, basis: "BASiS") -> None:
        super().__init__()
        self.layer = copy.deepcopy(basis.layer_).cpu().eval().requires_grad_(False)
        self.is_cosine = basis.metric == "cosine"
        projection = factors = None
        if basis.projection_ is not None:
            num_bytes = 4 * np.prod(basis.projection_.shape)
            if num_bytes > MOST_BYTES:
                raise ValueError(
                    f"the projection of n_features_in_={basis.n_features_in_} columns "
                    f"would take {num_bytes / 2**30:.1f} GiB: export layer_ with "
                    f"torch, and give it X @ projection_.T, or reduce the features "
                    f"before the fit"
                )
            projection = torch.from_numpy(basis.projection_.toarray()).float()
        if (walk := basis._walk_factors) is not None:
            factors = torch.from_numpy(walk).float()
        self.register_buffer("projection", projection)
        self.register_buffer("factors", factors)

    def forward(self, x: Tensor) -> Tensor:
        r"""Embeds points :obj:`x [n, d]`, :obj:`[n, K]`."""
        if self.is_cosine:
            x = unit_rows(x)
        if self.projection is not None:
            most = torch.finfo(x.dtype).max
            columns = x.double() @ self.projection.double().T
            x = columns.clamp(-most, most).to(x.dtype)
        rows: Tensor = self.layer(x)
        return rows if self.factors is None else rows * self.factors


def exported(basis: "BASiS") -> torch.export.ExportedProgram:
    """Returns the graph as a torch program."""
    rows = torch.export.Dim("rows", min=0)
    graph, example = EmbeddingGraph(basis), _example(basis)
    return torch.export.export(graph, (example,), dynamic_shapes={"x": {0: rows}})


def write_onnx(basis: "BASiS", path: str | Path) -> None:
    """Writes the graph to an ONNX file."""
    for package in ONNX_PACKAGES:
        if find_spec(package) is None:
            raise ImportError(
                f"to_onnx needs {package}, which is not installed: pip install "
                f"'pyg-basis[export]'"
            )
    with atomic_file(path) as temporary:
        torch.onnx.export(
            EmbeddingGraph(basis),
            (_example(basis),),
            temporary,
            input_names=["x"],
            output_names=["embedding"],
            dynamic_shapes={"x": {0: "rows"}},
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def _example(basis: "BASiS") -> Tensor:
    return torch.ones(NUM_EXAMPLES, basis.n_features_in_)
