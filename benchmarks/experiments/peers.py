"""BASiS and the packages that people use today, on the same features.

The siamese features of MNIST: 60,000 training points, 10,000 test points. Each peer
learns from the training points alone, without labels, in a process and a thread of its
own, and is measured on the test points as in Table 1. Two of scikit-learn have no
`transform`: they are fitted to the test points themselves, with labels of half of them
for the linear accuracy. d_perp is left out where columns have no scale, and all but NMI
and ACC where there are labels only. The two UMAPs do not aim at eigenvectors: their d_G
says how far from them they are, not how good.

Times are the processor's, which other work on the machine does not lengthen (the JSON
has the clock's as well); what is compiled on the way counts as fit. The memory is the
peak of the process's own during the fit, above what it was before, with the package
imported. A peer that cannot be imported is named with the reason. The extra `peers`
holds the packages; TensorFlow, for parametric UMAP, comes with umap-learn's own extra
`parametric_umap`. GrEASE (`pip install grease-embeddings`) brings a spectralnet of its
own: run this with `--methods GrEASE` in another environment. Writes peers.json after
each run; one that was broken off goes on where it stopped. Most of the time goes to
spectralnet and parametric UMAP.
"""

import argparse
import pickle
import tempfile
import time
from collections.abc import Callable
from importlib import import_module, metadata
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.data.image_features import load_features
from benchmarks.lib.alone import run_alone
from benchmarks.lib.evaluation import (
    MEASURES,
    FeatureSplit,
    agreement,
    distances,
    exact_embedding,
    inconsistency,
    run_exact,
    score,
)
from benchmarks.lib.exact import NORMALIZED
from benchmarks.lib.methods import NUM_COMPONENTS, SETTINGS
from benchmarks.lib.own_memory import OwnMemory
from benchmarks.lib.record import read_results
from benchmarks.lib.run_file import RunFile
from benchmarks.lib.tables import grouped, markdown_table, row_of
from benchmarks.lib.timed import timed
from pyg_basis.metrics import grassmann_distance

DATASET = "mnist"
Run = dict[str, Any]
Settings = dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--methods", nargs="+", choices=list(PEERS), default=list(PEERS))
    add("--limit", type=float, default=7200, help="seconds of a run (default: 7200)")


def main(options: argparse.Namespace) -> None:
    settings = {"dataset": DATASET, "limit_seconds": options.limit}
    results = RunFile.of(options, ("method", "seed"), **settings)
    where = options.data_root, options.cache_dir, options.quick
    data = load_features(DATASET, *where)
    exact, _ = exact_embedding(data.x_test)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "features.npz"
        arrays = data._asdict()
        features = arrays.pop("checksum")
        np.savez(file, exact=exact, **arrays)
        for seed, method in product(range(options.seeds), options.methods):
            parameters = parameters_of(method, features, options.quick)
            if not results.has((method, seed), parameters):
                task = method, seed, file, options.quick
                run = run_alone(measured, *task, limit=options.limit)
                print(method, seed, run, flush=True)
                run = {"absent": None, "gave_up": None, **run}
                results.add((method, seed), parameters, run)


def parameters_of(method: str, features: str, quick: bool) -> Settings:
    """What a run records: with another version, or once it is there, a peer runs
    anew."""
    peer = PEERS[method]
    return {
        "class": f"{peer.module}.{peer.name}",
        **settings_of(peer, quick),
        "version": version_of(peer.package),
        "features": features,
    }


def settings_of(peer: "Peer", quick: bool) -> Settings:
    return {**peer.settings, **(peer.quick if quick else {})}


def version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


class Transformer:
    """A peer that embeds points it has not seen."""

    def __init__(self, module: Any, name: str, seed: int, settings: Settings) -> None:
        self.model = getattr(module, name)(random_state=seed, **settings)

    def fit(self, x: Tensor) -> None:
        self.model.fit(x.numpy())

    def transform(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.model.transform(x.numpy()))

    @property
    def embedding_(self) -> Tensor:
        """Rows that the fit itself gave the training points, where it did."""
        return torch.as_tensor(getattr(self.model, "embedding_", ()))

    def scores(self, data: FeatureSplit, exact: Tensor, seed: int) -> Run:
        self.transform(data.x_test[:100])  # compiles what it has to
        rows, seconds = timed(self.transform, data.x_test)
        return {
            **distances(rows, exact),
            **score(self, rows, data, seed),
            "transform_cpu_seconds": seconds * 10_000 / len(rows),
            "inconsistency": inconsistency(self, data.x_test, rows),
            "bytes": self.num_bytes(),
        }

    def num_bytes(self) -> int | None:
        """Of the pickled model, where it can be pickled."""
        try:
            return len(pickle.dumps(self.model))
        except Exception:  # whatever a package keeps
            return None


class Unscaled(Transformer):
    """One whose columns have no scale that d_perp could be taken of."""

    def scores(self, data: FeatureSplit, exact: Tensor, seed: int) -> Run:
        return {**super().scores(data, exact, seed), "orthogonality": None}


class PublishedSpectralNet(Transformer):
    """Its `predict` without the k-means that follows the embedding."""

    def __init__(self, module: Any, name: str, seed: int, settings: Settings) -> None:
        torch.default_generator.manual_seed(seed)  # it draws from nothing else
        self.model = getattr(module, name)(**settings)

    def fit(self, x: Tensor) -> None:
        self.model.fit(x)

    @torch.no_grad()
    def transform(self, x: Tensor) -> Tensor:
        batches = x.to(self.model.device).split(self.model.spectral_batch_size)
        network = self.model.spec_net
        return torch.cat([network(batch, False) for batch in batches]).cpu()


class Grease(PublishedSpectralNet):
    """Tensors in, an array out."""

    def transform(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.model.transform(x)).float()


class EmbeddingOnly(Transformer):
    """scikit-learn's eigenvectors of the points themselves, without the first."""

    def scores(self, data: FeatureSplit, exact: Tensor, seed: int) -> Run:
        rows = torch.from_numpy(self.model.embedding_).float()
        rows = torch.cat([torch.ones(len(rows), 1), rows], dim=1)
        rows = rows / rows.square().mean(dim=0).sqrt()  # as all the others have it
        run = run_exact(data, rows, seed)
        return {**run, "grassmann_distance": grassmann_distance(rows, exact)}


class LabelsOnly(Transformer):
    """scikit-learn's clusters of the points themselves."""

    def scores(self, data: FeatureSplit, exact: Tensor, seed: int) -> Run:
        return agreement(data.y_test, self.model.labels_)


class Peer(NamedTuple):
    """Where a peer is found and how it is made: other settings than its own defaults,
    those of a smoke run, and what the table says of it."""

    module: str
    name: str
    package: str
    settings: Settings
    quick: Settings = {}  # noqa: RUF012
    kind: Callable[..., Transformer] = Transformer
    fits_test_points: bool = False
    remark: str = ""


COLUMNS = {"n_components": NUM_COMPONENTS}
NEAREST = {"affinity": "nearest_neighbors", "n_neighbors": SETTINGS["n_neighbors"]}
FEW, FEW_EPOCHS = {"max_iter": 5, "batch_size": 300}, {"n_epochs": 20}
ITSELF = "fitted to the test points themselves"
OTHER_AIM = "does not aim at eigenvectors"
PEERS = {
    "BASiS": Peer("pyg_basis", "BASiS", "pyg-basis", {**COLUMNS, **NORMALIZED}, FEW),
    "our SpectralNet": Peer(
        "benchmarks.baselines", "SpectralNet", "pyg-basis", COLUMNS, FEW
    ),
    "SpectralEmbedding": Peer(
        "sklearn.manifold",
        "SpectralEmbedding",
        "scikit-learn",
        {"n_components": NUM_COMPONENTS - 1, **NEAREST},  # the constant is left out
        kind=EmbeddingOnly,
        fits_test_points=True,
        remark=ITSELF,
    ),
    "SpectralClustering": Peer(
        "sklearn.cluster",
        "SpectralClustering",
        "scikit-learn",
        {"n_clusters": NUM_COMPONENTS, **NEAREST},
        kind=LabelsOnly,
        fits_test_points=True,
        remark=f"{ITSELF}, labels only",
    ),
    "UMAP": Peer(
        "umap", "UMAP", "umap-learn", COLUMNS, FEW_EPOCHS, Unscaled, remark=OTHER_AIM
    ),
    # The settings of its example for MNIST, which are its defaults, but for the two
    # networks before it: the features are there already. Its graph has 30 neighbors
    # and its Laplacian is not normalized: d_G is to eigenvectors of another one.
    "spectralnet": Peer(
        "spectralnet",
        "SpectralNet",
        "spectralnet",
        {"n_clusters": NUM_COMPONENTS},
        {"spectral_epochs": 1},
        PublishedSpectralNet,
        remark="trained for the Laplacian that is not normalized",
    ),
    "GrEASE": Peer(
        "grease",
        "GrEASE",
        "grease-embeddings",
        {
            **COLUMNS,
            "should_return_first_eigenvector": True,
            "laplacian_kind": "symmetric",
        },
        {"spectral_max_epochs": 1},
        Grease,
    ),
    "ParametricUMAP": Peer(
        "umap.parametric_umap",
        "ParametricUMAP",
        "umap-learn",
        COLUMNS,
        FEW_EPOCHS,
        Unscaled,
        remark=OTHER_AIM,
    ),
}


def measured(method: str, seed: int, path: str, quick: bool) -> Run:
    """One run of one peer, in this process."""
    peer = PEERS[method]
    try:
        module = import_module(peer.module)
    except Exception as error:  # whatever a package does when it is imported
        return {"absent": one_line(error)}
    with np.load(path) as file:
        arrays = {key: torch.from_numpy(file[key]) for key in file.files}
    exact, data = arrays.pop("exact"), FeatureSplit(**arrays)
    model = peer.kind(module, peer.name, seed, settings_of(peer, quick))
    with OwnMemory() as memory:
        clock, processor = time.perf_counter(), time.process_time()
        model.fit(data.x_test if peer.fits_test_points else data.x_train)
        seconds = time.perf_counter() - clock
        cpu_seconds = time.process_time() - processor
    return {
        **model.scores(data, exact, seed),
        "fit_seconds": seconds,
        "fit_cpu_seconds": cpu_seconds,
        "fit_memory": memory.peak - memory.before,
    }


def one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def tables(folder: Path) -> dict[str, str]:
    groups = grouped(read_results(folder, "peers")["runs"], "method")
    columns = {
        **{key: (title, 3, 1) for key, title in MEASURES.items()},
        "fit_cpu_seconds": ("fit, s", 0, 1),
        "transform_cpu_seconds": ("transform of 10,000, s", 2, 1),
        "fit_memory": ("memory, MiB", 0, 1),
        "bytes": ("model, MB", 1, 1e-6),
        "inconsistency": ("alone or among others", 3, 1),
    }
    rows = [
        {DATASET: method, **row_of(runs, columns), "remark": remark(runs)}
        for method in PEERS
        if (runs := groups.get((method,)))
    ]
    return {"peers": markdown_table(rows, list(rows[0]))}


def remark(runs: list[Any]) -> str:
    last = runs[-1]
    if last["absent"]:
        return f"absent: {last['absent']}"
    if last["gave_up"]:
        return f"gave up: {last['gave_up']}"
    peer = PEERS[last["method"]]
    version = f"{peer.package} {last['parameters']['version']}"
    return "; ".join(filter(None, (version, peer.remark)))
