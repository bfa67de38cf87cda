r"""Embeddings of cells, from and into an :class:`anndata.AnnData`.

The package anndata is not needed: any object with its :obj:`X`, :obj:`obsm`,
:obj:`obsp` and :obj:`uns` will do.
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
    and for cells that come later too (see :func:`map_query`).

    Args:
        adata (anndata.AnnData): The cells. Their rows are written to
            :obj:`adata.obsm["X_" + key_added]`, :obj:`[n, K]`, and to
            :obj:`adata.uns[key_added]` the :obj:`"eigenvalues"`, the first K and up to
            five beyond, and where they are from, as :obj:`"params"`.
        basis (BASiS, optional): The embedding, of which a copy is fitted; by default
            :obj:`BASiS()`. (default: :obj:`None`)
        use_rep (str, optional): The features, in :obj:`adata.obsm`; :obj:`"X"` for
            :obj:`adata.X`. (default: :obj:`"X_pca"`)
        adjacency (str, optional): A graph in :obj:`adata.obsp` to learn, such as
            :obj:`"connectivities"` of ``scanpy.pp.neighbors``; by default that of the
            nearest neighbors in the features. (default: :obj:`None`)
        key_added (str, optional): What the results are called.
            (default: :obj:`"basis"`)

    Returns:
        BASiS: The fitted embedding.

    Raises:
        ValueError: If :obj:`adata` has no such features or graph, or they cannot be
            used. It is as it was then.
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
    r"""Embeds cells that came later, as ``scanpy.tl.ingest`` does, each by itself: they
    need no neighbors, but the features that :obj:`basis` was fitted on (principal
    components of the first cells, not of their own).

    Args:
        adata (anndata.AnnData): The cells. Their rows are written to
            :obj:`adata.obsm["X_" + key_added]`, :obj:`[n, K]`.
        basis (BASiS): What :func:`basis_map` returned.
        use_rep (str, optional): The features, as there. (default: :obj:`"X_pca"`)
        key_added (str, optional): What the rows are called. (default: :obj:`"basis"`)

    Raises:
        NotFittedError: If :obj:`basis` is not fitted.
        ValueError: If :obj:`adata` has no such features, or they cannot be used.
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
