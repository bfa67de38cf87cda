"""Table 1: how close BASiS comes to the exact eigenvectors, on image sets.

    python benchmarks/run_all.py --datasets mnist --methods basis exact \\
        --seeds 3 --data-root DIR

For each data set: the siamese features (Eq. 21) are trained once on the
training split and cached; each method then sees nothing but these features.
Writes for each data set <output>/table1_<name>.json, and a Markdown table and a
picture beside it. A smoke run (--quick) writes to runs/ by default.
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib
import torch
from evaluation import (
    MEASURES,
    FeatureSplit,
    exact_embedding,
    run_basis,
    run_exact,
)
from results import format_mean_std, markdown_table, write_results
from siamese import siamese_features
from torch import Tensor
from toys import display_map

from pyg_basis import BASiS
from pyg_basis.align import fit_affine
from pyg_basis.datasets import ImageSplit, load_images

matplotlib.use("Agg")

DATASETS = ("mnist", "fashion_mnist", "svhn", "cifar10")
METHODS = ("basis", "exact")
# The settings of the paper: n_anchors is 25 a cluster.
PARAMETERS = {
    "n_components": 10,
    "n_anchors": 250,
    "batch_size": 512,
    "n_neighbors": 50,
    "max_iter": 1000,
}
# The BASiS row of the paper's Table 1. Its siamese features are not ours.
PAPER = {
    "mnist": (0.107, 0.247, 0.961, 0.986, 0.9852),
    "fashion_mnist": (0.284, 0.590, 0.798, 0.865, 0.8720),
    "svhn": (1.656, 0.488, 0.736, 0.880, 0.8802),
    "cifar10": (0.803, 0.407, 0.501, 0.688, 0.6889),
}


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    parameters: dict[str, Any] = dict(PARAMETERS)
    if options.quick:
        parameters.update(max_iter=20)

    for name in options.datasets:
        runs = []
        data = load_features(name, options)
        num_eigenvectors = parameters["n_components"]
        exact, eigenvalues = exact_embedding(
            data.x_test, num_eigenvectors, parameters["n_neighbors"]
        )
        for method in options.methods:
            for seed in range(options.seeds):
                if method == "exact":
                    scores = run_exact(data, exact, seed)
                else:
                    scores, basis, embedding = run_basis(
                        data, exact, seed, **parameters
                    )
                    if seed == 0:
                        picture = options.output / f"table1_{name}.png"
                        draw(picture, data, basis, embedding, exact, eigenvalues)
                runs.append({"dataset": name, "method": method, "seed": seed, **scores})
                shown = {key: round(value, 4) for key, value in scores.items()}
                print(f"{name} {method} seed {seed}: {shown}", flush=True)

        results = {"runs": runs, "paper": PAPER[name]}
        settings = {"dataset": name, "parameters": parameters, "quick": options.quick}
        path = options.output / f"table1_{name}.json"
        write_results(path, settings, results, range(options.seeds))
        text = table(name, runs)
        path.with_suffix(".md").write_text(text)
        print(f"\n{text}\nwritten to {options.output}")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    add("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    add("--seeds", type=int, default=3, help="runs of each method (default: 3)")
    add("--data-root", type=Path, help="folder of <name>.npz; else from OpenML")
    add("--cache-dir", type=Path, default=Path("cache"), help="of the features")
    add("--output", type=Path, help="folder (default: benchmarks/results)")
    add("--threads", type=int, default=1, help="of torch (default: 1)")
    add("--quick", action="store_true", help="a smoke run: few images, few steps")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    if options.output is None:
        options.output = Path("runs" if options.quick else "benchmarks/results")
    options.output.mkdir(parents=True, exist_ok=True)
    return options


def load_features(name: str, options: argparse.Namespace) -> FeatureSplit:
    split = load_images(name, options.data_root, options.cache_dir)
    epochs = 6
    if options.quick:
        split = ImageSplit(
            split.x_train[:2000],
            split.y_train[:2000],
            split.x_test[:1000],
            split.y_test[:1000],
        )
        epochs = 1
    x_train, x_test = siamese_features(split, name, options.cache_dir, epochs=epochs)
    return FeatureSplit(x_train, split.y_train, x_test, split.y_test)


def table(name: str, runs: list[dict[str, Any]]) -> str:
    """Mean and standard deviation over the seeds, beside the paper's figures."""
    rows = []
    for method in dict.fromkeys(run["method"] for run in runs):
        of_method = [run for run in runs if run["method"] == method]
        cells = {
            key: format_mean_std(run[key] for run in of_method) for key in MEASURES
        }
        rows.append({"method": f"{method}, ours", **cells})
    paper = zip(MEASURES, (f"{value:.3f}" for value in PAPER[name]), strict=True)
    rows.append({"method": "basis, as published", **dict(paper)})
    return markdown_table(rows, {"method": name, **MEASURES})


def draw(
    path: Path,
    data: FeatureSplit,
    basis: BASiS,
    embedding: Tensor,
    exact: Tensor,
    eigenvalues: Tensor,
) -> None:
    """Learned and exact embedding of the test part, in one basis; loss;
    eigenvalues of the batches and of the test graph."""
    from matplotlib import pyplot as plt

    from pyg_basis.plot import plot_eigenvalues, plot_embedding, plot_loss

    figure, panels = plt.subplots(2, 2, figsize=(11, 9), layout="constrained")
    # One linear map for both, which sends the classes' centres to the corners of
    # a polygon: ten columns cannot be seen otherwise.
    plane = display_map(embedding, data.y_test.numpy())
    aligned = fit_affine(exact, embedding).apply(exact)
    for panel, rows, title in (
        (panels[0, 0], embedding, "BASiS: each new point by itself"),
        (panels[0, 1], aligned, "exact eigenvectors of all new points, aligned"),
    ):
        plot_embedding(rows @ plane, data.y_test, ax=panel)
        panel.set(title=title, xlabel="", ylabel="")
    plot_loss(basis.history_, ax=panels[1, 0])
    panels[1, 0].set_title("loss")
    plot_eigenvalues(basis.eigenvalues_, ax=panels[1, 1], reference=eigenvalues)
    handles, _ = panels[1, 1].get_legend_handles_labels()
    names = ["batches (mean)", "graph of all new points"]
    panels[1, 1].legend(handles, names, frameon=False)
    panels[1, 1].set_title("eigenvalues")
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
