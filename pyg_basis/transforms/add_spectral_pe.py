from typing import Literal

from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

from pyg_basis.eigen import component_eigenpairs
from pyg_basis.eigen.eigenpairs import check_tol
from pyg_basis.graph import laplacian
from pyg_basis.transforms._node_attribute import (
    add_node_attribute,
    check_num_columns,
    checked_graph,
)


@functional_transform("add_spectral_pe")
class AddSpectralPE(BaseTransform):
    r"""Adds the first eigenvectors of the graph Laplacian to the nodes, as in
    `"Benchmarking Graph Neural Networks" <https://arxiv.org/abs/2003.00982>`_
    (functional name: :obj:`add_spectral_pe`).

    Differs from :class:`~torch_geometric.transforms.AddLaplacianEigenvectorPE` in that

    * every call gives the same rows: start vectors are seeded, and of each
      eigenvector the entry of largest magnitude is positive;
    * residuals are checked, and a solver that does not reach :obj:`tol` is replaced;
    * each connected component is embedded by itself, so that a graph gets the same
      rows alone and in a :class:`~torch_geometric.data.Batch`, and a graph of many
      components does not get their indicators; what a small component lacks is 0;
    * columns have mean square 1 over the nodes of a component, whatever its size;
    * the eigenvalues are kept, in the attribute :obj:`<attr_name>_eigenvalues`, for
      each node those of its component, :obj:`[n, k]`.

    Args:
        k (int): Number of eigenvectors, in the order of their eigenvalues.
        attr_name (str, optional): The attribute of the data object that holds the
            encodings, :obj:`[n, k]`, in the precision of the edge weights; with
            :obj:`None` they are concatenated to :obj:`x`, in its own.
            (default: :obj:`"spectral_pe"`)
        laplacian (str): :obj:`"sym"`, :obj:`"rw"` or :obj:`"comb"`, see
            :func:`~pyg_basis.graph.laplacian`; of :obj:`data.edge_weight` if there is
            one. (default: :obj:`"sym"`)
        drop_first (bool): Leave out the eigenvector of eigenvalue 0.
            (default: :obj:`True`)
        tol (float): Bound of the residuals, relative to the Laplacian's norm. Where
            eigenvalues are as small as that, as those of chains of thousands of nodes
            are, the vectors need a smaller one, and a warning says so.
            (default: :obj:`1e-5`)
        seed (int): Seed of the solver's start. (default: :obj:`0`)

    Raises:
        ValueError: If :obj:`k` is not an integer from 1, :obj:`laplacian` unknown or
            :obj:`tol` not positive; when called, if the graph is directed,
            heterogeneous, or not valid.

    Warns:
        RuntimeWarning: If no solver reached :obj:`tol`, or it is too large for the
            graph's eigenvalues.
    """

    def __init__(
        self,
        k: int,
        attr_name: str | None = "spectral_pe",
        laplacian: Literal["sym", "rw", "comb"] = "sym",
        drop_first: bool = True,
        tol: float = 1e-5,
        seed: int = 0,
    ) -> None:
        check_num_columns(k)
        check_tol(tol)
        if laplacian not in ("sym", "rw", "comb"):
            raise ValueError(
                f"laplacian={laplacian!r} is unknown: use 'sym', 'rw' or 'comb'"
            )
        self.k = int(k)
        self.attr_name = attr_name
        self.laplacian = laplacian
        self.drop_first = drop_first
        self.tol = tol
        self.seed = seed

    def forward(self, data: Data) -> Data:
        r"""The graph with encodings and eigenvalues."""
        graph = checked_graph(data, type(self).__name__)
        first = int(self.drop_first)
        pairs = component_eigenpairs(
            laplacian(graph, self.laplacian), self.k + first, self.tol, self.seed
        )
        rows = pairs.vectors[:, first:] * pairs.size.sqrt().unsqueeze(1)
        graph[f"{self.attr_name or 'spectral_pe'}_eigenvalues"] = pairs.values[
            :, first:
        ]
        return add_node_attribute(graph, rows, self.attr_name)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.k})"
