"""BASiS beside the packages that people use today, on the same features.

    python benchmarks/peers.py --seeds 3 --data-root DIR

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
`parametric_umap`. Writes peers.json and peers.md after each run; one that was broken
off goes on where it stopped.

About 20 minutes a seed on an idle core, most of it spectralnet and parametric UMAP;
`--quick` takes two minutes and its figures mean nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module, metadata
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from evaluation import MEASURES, FeatureSplit, run_exact, score
from image_features import exact_rows, load_features
from methods import NUM_COMPONENTS, SETTINGS
from results import format_mean_std, markdown_table
from run_file import RunFile
from scaling import OwnMemory, anonymous_memory
from threadpoolctl import threadpool_limits
from torch import Tensor

from pyg_basis.metrics import (
    clustering_accuracy,
    grassmann_distance,
    normalized_mutual_information,
)

DATASET = "mnist"
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    ),
    "1",
)

Run = dict[str, Any]
Settings = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    if options.worker:
        print(json.dumps(measured(options)))
        return
    torch.set_num_threads(1)
    settings = {"dataset": DATASET, "limit_seconds": options.limit}
    settings["quick"] = options.quick
    results = RunFile(options.output / "peers.json", ("method", "seed"), settings)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "features.npz"
        where = options.data_root, options.cache_dir, options.quick
        data = load_features(DATASET, *where)
        exact, _ = exact_rows(data.x_test)
        arrays = data._asdict()
        features = arrays.pop("checksum")
        np.savez(file, exact=exact, **arrays)
        for seed, method in product(range(options.seeds), options.methods):
            parameters = parameters_of(method, features, options.quick)
            if not results.has((method, seed), parameters):
                run = in_process(method, seed, file, options)
                print(run, flush=True)
                results.add((method, seed), parameters, run)
                shown = table(results.runs())
                results.path.with_suffix(".md").write_text(shown, encoding="utf-8")
    print(f"\n{table(results.runs())}\nwritten to {options.output}")


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


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--methods", nargs="+", choices=list(PEERS), default=list(PEERS))
    add("--seeds", type=int, default=3, help="runs of each method (default: 3)")
    add("--data-root", type=Path, help="folder of mnist.npz; else from OpenML")
    add("--cache-dir", type=Path, default=Path("cache"), help="of the features")
    add("--limit", type=float, default=7200, help="seconds of a run (default: 7200)")
    add("--output", type=Path, help="folder (default: benchmarks/results)")
    add("--quick", action="store_true", help="a smoke run; by default to runs/")
    add("--worker", choices=list(PEERS), help=argparse.SUPPRESS)
    add("--seed", type=int, help=argparse.SUPPRESS)
    add("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    if options.output is None:
        options.output = Path("runs" if options.quick else "benchmarks/results")
    return options


class Transformer:
    """A peer that embeds points it has not seen."""

    def __init__(self, module: Any, name: str, seed: int, settings: Settings) -> None:
        self.model = getattr(module, name)(random_state=seed, **settings)

    def fit(self, x: Tensor) -> None:
        self.model.fit(x.numpy())

    def transform(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.model.transform(x.numpy()))

    def scores(self, data: FeatureSplit, exact: Tensor, seed: int) -> Run:
        # Rows that the fit itself gave the training points are not computed again.
        z_train = getattr(self.model, "embedding_", None)
        z_train = self.transform(data.x_train) if z_train is None else z_train
        self.transform(data.x_test[:100])  # compiles what it has to
        start = time.process_time()
        z_test = self.transform(data.x_test)
        seconds = (time.process_time() - start) * 10_000 / len(z_test)
        run = score(torch.as_tensor(z_train), z_test, data, exact, seed)
        return {**run, "transform_cpu_seconds": seconds}


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
        labels, clusters = data.y_test, self.model.labels_
        return {
            "nmi": normalized_mutual_information(labels, clusters),
            "accuracy": clustering_accuracy(labels, clusters),
        }


class Peer(NamedTuple):
    """Where a peer is found and how it is made: other settings than its own defaults,
    those of a smoke run, and what the table says of it."""

    module: str
    name: str
    package: str
    settings: Settings
    quick: Settings
    kind: Callable[..., Transformer] = Transformer
    fits_test_points: bool = False
    remark: str = ""


GRAPH = {"affinity": "nearest_neighbors", "n_neighbors": SETTINGS["n_neighbors"]}
ITSELF = "fitted to the test points themselves"
PEERS = {
    "BASiS": Peer(
        "pyg_basis",
        "BASiS",
        "pyg-basis",
        {"n_components": NUM_COMPONENTS},
        {"max_iter": 20},
    ),
    "our SpectralNet": Peer(
        "pyg_basis.baselines",
        "SpectralNet",
        "pyg-basis",
        {"n_components": NUM_COMPONENTS},
        {"max_iter": 20},
    ),
    "SpectralEmbedding": Peer(
        "sklearn.manifold",
        "SpectralEmbedding",
        "scikit-learn",
        {"n_components": NUM_COMPONENTS - 1, **GRAPH},  # the constant one is left out
        {},
        EmbeddingOnly,
        True,
        ITSELF,
    ),
    "SpectralClustering": Peer(
        "sklearn.cluster",
        "SpectralClustering",
        "scikit-learn",
        {"n_clusters": NUM_COMPONENTS, **GRAPH},
        {},
        LabelsOnly,
        True,
        f"{ITSELF}, labels only",
    ),
    "UMAP": Peer(
        "umap",
        "UMAP",
        "umap-learn",
        {"n_components": NUM_COMPONENTS},
        {"n_epochs": 20},
        Unscaled,
        remark="does not aim at eigenvectors",
    ),
    # The settings of its example for MNIST, which are its defaults, but for the two
    # networks before it: the features are there already. Its graph has 30 neighbours
    # and its Laplacian is not normalised: d_G is to eigenvectors of another one.
    "spectralnet": Peer(
        "spectralnet",
        "SpectralNet",
        "spectralnet",
        {"n_clusters": NUM_COMPONENTS},
        {"spectral_epochs": 1},
        PublishedSpectralNet,
        remark="trained for the Laplacian that is not normalised",
    ),
    "ParametricUMAP": Peer(
        "umap.parametric_umap",
        "ParametricUMAP",
        "umap-learn",
        {"n_components": NUM_COMPONENTS},
        {"n_epochs": 20},
        Unscaled,
        remark="does not aim at eigenvectors",
    ),
}


def in_process(method: str, seed: int, file: Path, options: argparse.Namespace) -> Run:
    command = [sys.executable, __file__, "--worker", method, "--seed", str(seed)]
    command += ["--file", str(file), *(["--quick"] if options.quick else [])]
    run: Run = {"method": method, "seed": seed, "absent": None, "gave_up": None}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=options.limit,
            env={**os.environ, **ONE_THREAD},
        )
    except subprocess.TimeoutExpired:
        return {**run, "gave_up": f"not done in {options.limit:g} s"}
    if done.returncode != 0:
        message = (done.stderr.strip().splitlines() or ["killed"])[-1]
        return {**run, "gave_up": "killed" if done.returncode < 0 else message}
    return {**run, **json.loads(done.stdout.splitlines()[-1])}


def measured(options: argparse.Namespace) -> Run:
    """One run of one peer, in this process."""
    torch.set_num_threads(1)
    threadpool_limits(1)
    peer = PEERS[options.worker]
    try:
        module = import_module(peer.module)
    except Exception as error:  # whatever a package does when it is imported
        return {"absent": one_line(error)}
    with np.load(options.file) as file:
        arrays = {key: torch.from_numpy(file[key]) for key in file.files}
    exact = arrays.pop("exact")
    return fitted(peer, module, FeatureSplit(**arrays), exact, options)


def fitted(
    peer: Peer,
    module: Any,
    data: FeatureSplit,
    exact: Tensor,
    options: argparse.Namespace,
) -> Run:
    settings = settings_of(peer, options.quick)
    model = peer.kind(module, peer.name, options.seed, settings)
    before = anonymous_memory()
    with OwnMemory() as memory:
        clock, processor = time.perf_counter(), time.process_time()
        model.fit(data.x_test if peer.fits_test_points else data.x_train)
        seconds = time.perf_counter() - clock
        cpu_seconds = time.process_time() - processor
    return {
        **model.scores(data, exact, options.seed),
        "fit_seconds": seconds,
        "fit_cpu_seconds": cpu_seconds,
        "fit_memory": memory.peak - before,
    }


def one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def table(runs: list[Run]) -> str:
    rows = []
    for method in PEERS:
        of_method = [run for run in runs if run["method"] == method]
        if not of_method:
            continue
        rows.append({"method": method, **row(of_method), "remark": remark(of_method)})
    columns = {
        "method": DATASET,
        **MEASURES,
        "fit_cpu_seconds": "fit, s",
        "transform_cpu_seconds": "transform of 10,000, s",
        "fit_memory": "memory, MiB",
        "remark": "remark",
    }
    return markdown_table(rows, columns)


def row(runs: list[Run]) -> dict[str, str | None]:
    digits = {
        **dict.fromkeys(MEASURES, 3),
        "fit_cpu_seconds": 0,
        "transform_cpu_seconds": 2,
        "fit_memory": 0,
    }
    cells = {}
    for key, places in digits.items():
        values = [run[key] for run in runs if run.get(key) is not None]
        cells[key] = format_mean_std(values, places) if values else None
    return cells


def remark(runs: list[Run]) -> str:
    last = runs[-1]
    if last["absent"]:
        return f"absent: {last['absent']}"
    if last["gave_up"]:
        return f"gave up: {last['gave_up']}"
    peer = PEERS[last["method"]]
    return "; ".join(
        filter(None, (f"{peer.package} {last['parameters']['version']}", peer.remark))
    )


if __name__ == "__main__":
    main()
