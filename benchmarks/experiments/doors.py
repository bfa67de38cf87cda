"""What a fit costs when its points come in by another door, and whether the rows are
the same.

Each set has a plain door and further ones. In each round a fit by every door, with
the same seed, runs at the same time in a thread of its own, so that what else the
machine does slows them alike; which starts first changes from round to round. Seconds
are those of the processor; cost is the ratio of the medians, with the smallest and the
largest ratio of a round. The rows of all points after the last round are compared: the
largest difference, in units of their root mean square.

`pixels`: the 60,000 training images of MNIST, 784 columns, as an array, as CSR, as a
memory-mapped file, and with weights of 1.

`words`: 341,479 word vectors of 100 columns, by their directions: divided by their
norms beforehand, or by `metric="cosine"`. These fits have the default settings, and
their quality is in the record; a gap follows the ninth eigenvalue. Divided by
scikit-learn, rows are others in the last digit than those of the metric, and 40 batches
make more of that; equal rows give equal fits, to the bit.

`text`: 10,000 synthetic texts, each of two of ten topics, words drawn by Zipf's law, as
TF-IDF of 2,048 words with `metric="cosine"`: as an array and as CSR.

`graph`: Facebook pages, as a `Data` with edges, and as features with an adjacency.

But for `words`, fits are short: a reference of 2,048 points and 10 batches. What a door
adds, it adds to each batch and each sample, so that its share is about that in longer
fits. Sets that are not there are left out.
"""

import argparse
import statistics
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import normalize
from torch_geometric.utils import degree, to_scipy_sparse_matrix

from benchmarks.data.graphs import load_graph
from benchmarks.data.load_images import load_images
from benchmarks.data.word_vectors import FILE_NAME, load_word_vectors
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import markdown_table
from pyg_basis import BASiS

NUM_TOPICS, NUM_WORDS, WORDS_PER_TEXT = 10, 2048, 100
# Batches that all fits of a set have: none ends earlier than another.
SHORT = {"reference_size": 2048, "max_iter": 10, "tol": None}
SMOKE = {
    "reference_size": 400,
    "batch_size": 300,
    "n_anchors": 50,
    "n_neighbors": 15,
    "max_iter": 3,
}

Run = dict[str, Any]


@dataclass(frozen=True)
class Door:
    """A way for points to come in: the points of `fit` and `transform`, and further
    arguments of `fit` and of BASiS."""

    points: Any
    given: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """Doors to the same points, the plain one first, and the settings of all fits."""

    doors: dict[str, Door]
    settings: dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    text = f"the file of the word vectors (default: DATA_ROOT/{FILE_NAME})"
    parser.add_argument("--words-path", type=Path, help=text)
    parser.add_argument("--rounds", type=int, default=3, help="(default: 3)")


def main(options: argparse.Namespace) -> None:
    runs = []
    for name, doors in CASES.items():
        try:
            case = doors(options)
        except FileNotFoundError as error:
            print(f"{name} is left out: {error}")
            continue
        if options.quick:
            case = Case(case.doors, {**case.settings, **SMOKE})
        runs.append({"set": name, **measured(case, options.rounds)})
        print(runs[-1], flush=True)
    save(options, {"rounds": options.rounds}, {"sets": runs}, seeds=[0])


def measured(case: Case, rounds: int) -> Run:
    def fit(name: str) -> tuple[BASiS, float]:
        door = case.doors[name]
        basis = BASiS(**case.settings, **door.parameters, random_state=0)
        start = time.thread_time()
        return basis.fit(door.points, **door.given), time.thread_time() - start

    names, seconds = list(case.doors), defaultdict(list)
    for number in range(rounds):
        first = number % len(names)
        order = [*names[first:], *names[:first]]
        with ThreadPoolExecutor(len(names)) as threads:
            fitted = dict(zip(order, threads.map(fit, order), strict=True))
        for name in names:
            seconds[name].append(fitted[name][1])
    rows = {
        name: np.asarray(fitted[name][0].transform(door.points), dtype=np.float64)
        for name, door in case.doors.items()
    }
    basis = fitted[names[0]][0]
    plain = rows[names[0]]
    scale = np.sqrt((plain**2).mean())
    return {
        "num_points": len(plain),
        "settings": case.settings,
        "quality": basis.quality_,
        "num_batches": basis.n_iter_,
        "doors": [
            {
                "door": name,
                "fit_seconds": seconds[name],
                "difference": np.abs(rows[name] - plain).max() / scale,
            }
            for name in names
        ],
    }


# --- sets


def pixels(options: argparse.Namespace) -> Case:
    images = load_images("mnist", data_root(options), options.cache_dir).x_train
    x = (images[: 600 if options.quick else None].flatten(1) / 255).numpy()
    path = options.cache_dir / "mnist_pixels.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, x)
    doors = {
        "array": Door(x),
        "CSR": Door(csr_array(x)),
        "memory-mapped .npy file": Door(path),
        "array, sample_weight= ones": Door(x, {"sample_weight": np.ones(len(x))}),
    }
    return Case(doors, {"n_components": 5, **SHORT})


def words(options: argparse.Namespace) -> Case:
    path = options.words_path or data_root(options) / FILE_NAME
    x = load_word_vectors(path, options.cache_dir)
    x = x[: 600 if options.quick else None]
    doors = {
        "array of norm 1": Door(normalize(x)),
        'array, metric="cosine"': Door(x, parameters={"metric": "cosine"}),
    }
    return Case(doors, {"n_components": 9})


def text(options: argparse.Namespace) -> Case:
    x = tf_idf(600 if options.quick else 10_000, seed=0)
    doors = {"array": Door(x.toarray()), "CSR": Door(x)}
    return Case(doors, {"n_components": NUM_TOPICS - 1, "metric": "cosine", **SHORT})


def tf_idf(num_texts: int, seed: int) -> csr_array:
    """Synthetic texts: the words of each topic have frequencies by Zipf's law, in an
    order of their own. A text has more of its first topic than of its second."""
    rng = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, NUM_WORDS + 1)
    frequency /= frequency.sum()
    orders = np.stack([rng.permutation(NUM_WORDS) for _ in range(NUM_TOPICS)])
    rank = rng.choice(NUM_WORDS, (num_texts, WORDS_PER_TEXT), p=frequency)
    first = np.arange(num_texts)[:, None] % NUM_TOPICS
    second = rng.integers(NUM_TOPICS, size=(num_texts, 1))
    is_first = rng.random(rank.shape) < rng.uniform(0.5, 1, (num_texts, 1))
    word = orders[np.where(is_first, first, second), rank].ravel()
    number = np.repeat(np.arange(num_texts), WORDS_PER_TEXT)
    shape = num_texts, NUM_WORDS
    counts = coo_array((np.ones(len(word), np.float32), (number, word)), shape)
    return csr_array(TfidfTransformer(norm=None).fit_transform(counts.tocsr()))


def graph(options: argparse.Namespace) -> Case:
    data = load_graph("facebook", data_root(options), options.cache_dir)
    if options.quick:
        # Those of most edges, which are connected.
        data = data.subgraph(degree(data.edge_index[0]).argsort(descending=True)[:600])
    adjacency = to_scipy_sparse_matrix(data.edge_index, num_nodes=data.num_nodes)
    doors = {
        "Data with edge_index": Door(data),
        "array, adjacency= CSR": Door(data.x.numpy(), {"adjacency": adjacency.tocsr()}),
    }
    return Case(doors, {"n_components": 8, **SHORT})


CASES = {"pixels": pixels, "words": words, "text": text, "graph": graph}


def data_root(options: argparse.Namespace) -> Path:
    if options.data_root is None:
        raise FileNotFoundError("it needs --data-root")
    return Path(options.data_root)


# --- tables


def tables(folder: Path) -> dict[str, str]:
    rows = []
    for run in read_results(folder, "doors")["sets"]:
        plain, *others = run["doors"]
        for door in others:
            ratios = np.divide(door["fit_seconds"], plain["fit_seconds"])
            medians = [statistics.median(d["fit_seconds"]) for d in (plain, door)]
            rows.append(
                {
                    "set": run["set"],
                    "points": f"{run['num_points']:,}",
                    "plain": plain["door"],
                    "door": door["door"],
                    "fit of the plain one, CPU s": f"{medians[0]:.1f}",
                    "by the door, CPU s": f"{medians[1]:.1f}",
                    "cost": f"{medians[1] / medians[0]:.3f}",
                    "cost by round": f"{ratios.min():.3f} to {ratios.max():.3f}",
                    "rows differ by": f"{door['difference']:.1e}",
                }
            )
    return {"doors": markdown_table(rows, list(rows[0]))}
