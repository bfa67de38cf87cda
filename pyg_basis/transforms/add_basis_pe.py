from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

from pyg_basis.data import FeatureSource
from pyg_basis.data.projected_rows import ProjectedRows
from pyg_basis.nn import BASiSLayer
from pyg_basis.nn._evaluating import evaluating
from pyg_basis.readout.rayleigh_ritz import BLOCK_ROWS
from pyg_basis.transforms._node_attribute import (
    add_node_attribute,
    checked_graph,
    checked_name,
)


@functional_transform("add_basis_pe")
class AddBASiSPE(BaseTransform):
    r"""Adds the embedding of the nodes by a trained model: the Laplacian eigenvectors
    of the graph it was trained on, from `"BASiS: Batch Aligned Spectral Embedding
    Space" <https://arxiv.org/abs/2211.16960>`_ (functional name:
    :obj:`add_basis_pe`).

    A row depends on the node's own features and the model only. Its sign is the same in
    every call, it does not change when other nodes are added or removed, and it exists
    for unseen nodes, with or without edges.

    Args:
        model (BASiS or BASiSLayer): The trained model.
        attr_name (str, optional): The attribute of the data object that holds the
            encodings, :obj:`[n, K]`. If :obj:`None`, they are concatenated to :obj:`x`.
            (default: :obj:`"basis_pe"`)
        input_name (str): The attribute with the features that the model was trained
            on, :obj:`[n, d]`. A BASiS projects wide features itself, as in its fit; its
            :obj:`layer_` alone expects projected ones. (default: :obj:`"x"`)

    Raises:
        ValueError: If :obj:`model` is neither of the two, or an unfitted BASiS; when
            called, if the graph has no such features, or of another width, or if the
            encodings are not finite.
    """

    def __init__(
        self, model: Any, attr_name: str | None = "basis_pe", input_name: str = "x"
    ) -> None:
        layer = getattr(model, "layer_", model)
        if not isinstance(layer, BASiSLayer):
            raise ValueError(
                f"model={model!r} cannot be used: it must be a BASiSLayer or a fitted "
                f"BASiS"
            )
        self.layer = layer
        self.projection = getattr(model, "projection_", None)
        self.attr_name = checked_name(attr_name)
        self.input_name = input_name

    @torch.no_grad()
    def forward(self, data: Data) -> Data:
        r"""Adds the encodings to the graph."""
        graph = checked_graph(data, type(self).__name__)
        x = graph.get(self.input_name)
        if not isinstance(x, Tensor):
            raise ValueError(
                f"data has no {self.input_name!r} that the model could embed: set it "
                f"to the features it was trained on, or name them by input_name"
            )
        if self.projection is not None:
            rows_of = ProjectedRows(FeatureSource(x), self.projection)
            x = rows_of.__getitems__(range(len(x)))
        device = self.layer.anchors.device
        with evaluating(self.layer):
            points = self.layer.embedding.points(x)
            rows = [self.layer(part.to(device)) for part in points.split(BLOCK_ROWS)]
        of_all = torch.cat(rows).to(x.device)
        is_finite = of_all.isfinite().all(dim=1)
        if not bool(is_finite.all()):
            first = int(is_finite.logical_not().nonzero()[0])
            raise ValueError(
                f"the encodings of {int((~is_finite).sum())} nodes are not finite, of "
                f"node {first} first: look for NaN or infinite values in "
                f"data.{self.input_name}"
            )
        return add_node_attribute(graph, of_all, self.attr_name)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.layer!r})"
