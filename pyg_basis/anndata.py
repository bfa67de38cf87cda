r"""Embeddings of cells in an :class:`anndata.AnnData`.

The package anndata is not needed: any object with :obj:`X`, :obj:`obsm`, :obj:`obsp`
and :obj:`uns` will do.
"""

from typing import Any

from sklearn.base import clone

from pyg_basis.estimators import BASiS

__all__ = ["basis_map", "map_query"]


def basis_map(
    adata: Any,
    basis: BASiS | None = None,
    *,
    use_rep: str = "X_pca",
    adjacency: str | None = None,
    key_added: str = "basis",
) -> BASiS:
    r"""Learns the spectral embedding of cells, as ``scanpy.tl.diffmap`` computes it,
    which also embeds new cells (see :func:`map_query`).

    Args:
        adata (anndata.AnnData): The cells. Their embedding is written to
            :obj:`adata.obsm["X_" + key_added]`, :obj:`[n, K]`;
            :obj:`adata.uns[key_added]` gets the first K :obj:`"eigenvalues"` and up to
            five more, and the sources of the data as :obj:`"params"`.
        basis (BASiS, optional): The embedding, of which a copy is fitted; by default
            :obj:`BASiS()`. (default: :obj:`None`)
        use_rep (str, optional): Key of the features in :obj:`adata.obsm`, or
            :obj:`"X"` for :obj:`adata.X`. (default: :obj:`"X_pca"`)
        adjacency (str, optional): Key of a graph in :obj:`adata.obsp` to embed, such as
            :obj:`"connectivities"` of ``scanpy.pp.neighbors``; by default the
            nearest-neighbor graph of the features. (default: :obj:`None`)
        key_added (str, optional): Key of the results. (default: :obj:`"basis"`)

    Returns:
        BASiS: The fitted embedding.

    Raises:
        ValueError: If :obj:`adata` has no such features or graph, or they are invalid.
            It does not change then.
    """
    points = _features(adata, use_rep)
    graph = None
    if adjacency is not None:
        graph = _entry(adata, "obsp", "adjacency", adjacency, "scanpy.pp.neighbors")
    fitted = BASiS() if basis is None else clone(basis)
    rows = fitted.fit(points, adjacency=graph).transform(points)
    params = {"use_rep": use_rep}
    if adjacency is not None:
        params["adjacency"] = adjacency
    adata.obsm[f"X_{key_added}"] = rows
    adata.uns[key_added] = {"eigenvalues": fitted.eigenvalues_, "params": params}
    return fitted


def map_query(
    adata: Any, basis: BASiS, *, use_rep: str = "X_pca", key_added: str = "basis"
) -> None:
    r"""Embeds new cells, as ``scanpy.tl.ingest`` does, independently of each other.
    They need no neighbors, but the features that :obj:`basis` was fitted on (principal
    components of the first cells, not their own).

    Args:
        adata (anndata.AnnData): The cells. Their embedding is written to
            :obj:`adata.obsm["X_" + key_added]`, :obj:`[n, K]`.
        basis (BASiS): The result of :func:`basis_map`.
        use_rep (str, optional): Key of the features, as there.
            (default: :obj:`"X_pca"`)
        key_added (str, optional): Key of the embedding. (default: :obj:`"basis"`)

    Raises:
        NotFittedError: If :obj:`basis` is not fitted.
        ValueError: If :obj:`adata` has no such features, or they are invalid.
    """
    adata.obsm[f"X_{key_added}"] = basis.transform(_features(adata, use_rep))


def _features(adata: Any, use_rep: str) -> Any:
    if use_rep == "X" and hasattr(adata, "X"):
        return adata.X
    return _entry(adata, "obsm", "use_rep", use_rep, "scanpy.pp.pca")


def _entry(adata: Any, place: str, parameter: str, name: str, maker: str) -> Any:
    entries = getattr(adata, place, None)
    if entries is None:
        raise ValueError(
            f"adata must be an anndata.AnnData, got {type(adata).__name__} without "
            f"{place}: pass arrays to BASiS().fit"
        )
    if name not in entries:
        raise ValueError(
            f"{parameter}={name!r} is not in adata.{place}, which has "
            f"{list(entries)}: name one of these, or make it, for example with {maker}"
        )
    return entries[name]
