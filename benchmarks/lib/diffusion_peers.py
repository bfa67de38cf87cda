"""Diffusion maps of other packages, run as a script by a Python that has them:

    PYTHON benchmarks/lib/diffusion_peers.py PACKAGE IN.npz OUT.npz

It needs nothing of this project. `pydiffmap` is fitted to `train` and embeds `test`;
`scanpy` decomposes the connectivities of its bundled cells."""

import importlib.metadata
import sys
import time
import warnings

import numpy as np


def pydiffmap(given):
    from pydiffmap.diffusion_map import DiffusionMap

    model = DiffusionMap.from_sklearn(
        n_evecs=int(given["n_components"]),
        k=int(given["n_neighbors"]),
        epsilon=given["epsilon"].item(),
        alpha=1.0,
    )
    start = time.process_time()
    model.fit(given["train"].astype(np.float64))
    fitted = time.process_time()
    rows = model.transform(given["test"].astype(np.float64))
    embedded = time.process_time()
    return {
        "rows": rows,
        "values": -model.evals,
        "fit_seconds": fitted - start,
        "transform_seconds": embedded - fitted,
    }


def scanpy(given):
    import scanpy

    cells = scanpy.datasets.pbmc68k_reduced()
    scanpy.tl.diffmap(cells, n_comps=int(given["n_components"]))
    graph = cells.obsp["connectivities"].tocoo()
    return {
        "edges": np.stack([graph.row, graph.col]),
        "weight": graph.data,
        "x": cells.obsm["X_pca"],
        "rows": cells.obsm["X_diffmap"],
        "values": cells.uns["diffmap_evals"],
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    package, source, target = sys.argv[1:]
    found = {"pydiffmap": pydiffmap, "scanpy": scanpy}[package](np.load(source))
    version = importlib.metadata.version(package)
    np.savez(target, version=version, **found)
