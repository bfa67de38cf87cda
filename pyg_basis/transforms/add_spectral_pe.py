from typing import Literal

from scipy.sparse import issparse, sparray, spmatrix
from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

from pyg_basis._constraints import POSITIVE, SEED, between, check_arguments
from pyg_basis.eigen import component_eigenpairs
from pyg_basis.eigen.component_eigenpairs import MOST_PAIRS
from pyg_basis.graph import as_data, laplacian
from pyg_basis.graph.laplacian import ALPHA, KIND
from pyg_basis.transforms._node_attribute import (
    add_node_attribute,
    checked_graph,
    checked_name,
)

CONSTRAINTS = {
    "k": [between(1, MOST_PAIRS - 1)],
    "laplacian": KIND,
    "drop_first": ["boolean"],
    "tol": [POSITIVE],
    "seed": [SEED],
    "alpha": ALPHA,
}


@functional_transform("add_spectral_pe")
class AddSpectralPE(BaseTransform):
    r"""Adds the first eigenvectors of the graph Laplacian to the nodes, as in
    `"Benchmarking Graph Neural Networks" <https://arxiv.org/abs/2003.00982>`_
    (functional name: :obj:`add_spectral_pe`).

    Differs from :class:`~torch_geometric.transforms.AddLaplacianEigenvectorPE` in that

    * every call returns the same rows: start vectors are seeded, and the largest entry
      of each eigenvector in magnitude is positive;
    * residuals are checked, and a solver that does not reach :obj:`tol` is replaced;
    * each connected component is embedded separately: a graph has the same rows alone
      and in a :class:`~torch_geometric.data.Batch`, and a graph of many components
      does not get their indicators; missing columns of small components are 0;
    * the basis of a multiple eigenvalue is determined by its eigenspace and the order
      of the nodes, see :func:`~pyg_basis.eigen.component_eigenpairs`;
    * columns have mean square 1 over the nodes of a component of any size;
    * the eigenvalues of each node's component are stored in the attribute
      :obj:`<attr_name>_eigenvalues`, :obj:`[n, k]`.

    Symmetries remain ambiguous: if a symmetry exchanges nodes (in rings, or between
    equal branches), signs and bases may change with the order of the nodes, and the
    exchanged nodes get different rows. A network that must not depend on this can use
    absolute values, the norms of a node's rows in each eigenspace (columns of equal
    eigenvalues), or random signs in every training step.

    Args:
        k (int): Number of eigenvectors, in the order of their eigenvalues.
        attr_name (str, optional): The attribute of the data object that holds the
            encodings, :obj:`[n, k]`, in the precision of the edge weights. If
            :obj:`None`, they are concatenated to :obj:`x`, in its precision.
            (default: :obj:`"spectral_pe"`)
        laplacian (str): :obj:`"sym"`, :obj:`"rw"` or :obj:`"comb"`, see
            :func:`~pyg_basis.graph.laplacian`, with the weights
            :obj:`data.edge_weight`, or the values of :obj:`data.adj_t`, if present.
            (default: :obj:`"sym"`)
        drop_first (bool): Omit the eigenvector of eigenvalue 0.
            (default: :obj:`True`)
        tol (float): Bound of the residuals, relative to the norm of the Laplacian. If
            it cannot separate close eigenvalues, the solver continues; if that fails,
            as for chains of ten thousand nodes, a warning states the tolerance needed.
            (default: :obj:`1e-5`)
        seed (int): Seed of the solver's start vectors. (default: :obj:`0`)
        alpha (float): Exponent of the density normalization, from 0 to 1, see
            :func:`~pyg_basis.graph.density_normalized`. (default: :obj:`0.0`)

    Raises:
        ValueError: If :obj:`k` is not an integer from 1 to 65,535, :obj:`laplacian`
            unknown, :obj:`drop_first` not a truth value, :obj:`tol` not positive or
            :obj:`seed` negative; when called, if the graph is directed, heterogeneous,
            or invalid.

    Warns:
        RuntimeWarning: If no solver reached :obj:`tol`, or eigenvalues are too close to
            separate their eigenvectors.
    """

    def __init__(
        self,
        k: int,
        attr_name: str | None = "spectral_pe",
        laplacian: Literal["sym", "rw", "comb"] = "sym",
        drop_first: bool = True,
        tol: float = 1e-5,
        seed: int = 0,
        alpha: float = 0.0,
    ) -> None:
        check_arguments(
            CONSTRAINTS,
            type(self).__name__,
            k=k,
            laplacian=laplacian,
            drop_first=drop_first,
            tol=tol,
            seed=seed,
            alpha=alpha,
        )
        self.k, self.tol, self.seed = int(k), float(tol), int(seed)
        self.attr_name = checked_name(attr_name)
        self.laplacian, self.alpha = laplacian, alpha
        self.drop_first = drop_first

    def forward(self, data: Data | spmatrix | sparray) -> Data:
        r"""Adds encodings and eigenvalues to the graph; also accepts an adjacency
        matrix :obj:`[n, n]` of :mod:`scipy.sparse`."""
        data = as_data(data) if issparse(data) else data
        graph = checked_graph(data, type(self).__name__)
        first = int(self.drop_first)
        operator = laplacian(graph, self.laplacian, self.alpha)
        pairs = component_eigenpairs(operator, self.k + first, self.tol, self.seed)
        rows = pairs.vectors[:, first:] * pairs.size.sqrt().unsqueeze(1)
        graph[f"{self.attr_name or 'spectral_pe'}_eigenvalues"] = pairs.values[
            :, first:
        ]
        return add_node_attribute(graph, rows, self.attr_name)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.k})"
