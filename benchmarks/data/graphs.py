"""The graphs of the benchmarks, with the features and classes of their nodes."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.datasets import get_data_home
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.datasets import FacebookPagePage, GitHub, Planetoid
from torch_geometric.transforms import NormalizeFeatures
from torch_geometric.utils import remove_self_loops, to_undirected

PLANETOID = {"cora": "Cora", "citeseer": "CiteSeer"}
# The names of the files, and of the column with the classes.
MUSAE = {"facebook": ("facebook", "page_type"), "github": ("git", "ml_target")}
GRAPHS = (*PLANETOID, *MUSAE)

# The words of a page are brought to so many columns.
NUM_FEATURES = 128


def load_graph(
    name: str,
    data_root: Path | None = None,
    cache_dir: Path | None = None,
) -> Data:
    """Cora and CiteSeer are from `"Revisiting Semi-Supervised Learning with Graph
    Embeddings" <https://arxiv.org/abs/1603.08861>`_, Facebook pages and GitHub
    developers from `"Multi-scale Attributed Node Embedding"
    <https://arxiv.org/abs/1909.13021>`_.

    Args:
        name: `"cora"`, `"citeseer"`, `"facebook"` or `"github"`.
        data_root: Folder that holds `graphs/planetoid/<Name>/raw` with the public
            Planetoid files, and `graphs/musae` with the published CSV files and
            `facebook.json`. Nothing is downloaded. Without it the graphs are those of
            :mod:`torch_geometric.datasets`, downloaded once.
        cache_dir: Folder for what is downloaded or processed; by default
            scikit-learn's (:func:`sklearn.datasets.get_data_home`).

    Returns:
        Features `x [n, d]`, classes `y [n]`, and `edge_index [2, E]` with both
        directions of every edge and no loops. From `data_root`, pages have the leading
        128 singular vectors of their words (TF-IDF), of standard deviation 1, and
        developers no features.

    Raises:
        ValueError: If `name` is unknown.
        FileNotFoundError: If `data_root` does not hold the graph.
    """
    if name not in GRAPHS:
        options = ", ".join(map(repr, GRAPHS))
        raise ValueError(f"name must be one of {options}, got {name!r}.")
    # get_data_home also makes the folder and resolves "~".
    folder = Path(get_data_home(None if cache_dir is None else str(cache_dir)))
    if data_root is not None:
        _check_folder(data_root, name)
    if name in PLANETOID:
        return _planetoid(PLANETOID[name], data_root, folder / "planetoid")
    if data_root is not None:
        return _musae(name, data_root / "graphs" / "musae")
    dataset = {"facebook": FacebookPagePage, "github": GitHub}[name]
    data = dataset(str(folder / name))[0]
    return Data(x=data.x, y=data.y, edge_index=_both_directions(data.edge_index))


def _check_folder(data_root: Path, name: str) -> None:
    inner = Path("planetoid", PLANETOID[name], "raw") if name in PLANETOID else "musae"
    if not (data_root / "graphs" / inner).is_dir():
        raise FileNotFoundError(
            f"data_root must be a folder that holds {Path('graphs', inner)}, got "
            f"{data_root}; copy the files there, or leave data_root out to download "
            f"the graph."
        )


def _planetoid(title: str, data_root: Path | None, folder: Path) -> Data:
    if data_root is not None:
        # PyG writes its own files next to these, whose folder may be read-only.
        raw = folder / title / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        for file in (data_root / "graphs" / "planetoid" / title / "raw").iterdir():
            if not (raw / file.name).exists():
                shutil.copyfile(file, raw / file.name)
    return Planetoid(str(folder), title, transform=NormalizeFeatures())[0]


def _musae(name: str, folder: Path) -> Data:
    prefix, column = MUSAE[name]
    edges = np.loadtxt(
        folder / f"{prefix}_edges.csv", np.int64, delimiter=",", skiprows=1
    )
    with (folder / f"{prefix}_target.csv").open(encoding="utf-8", newline="") as file:
        labels = {int(row["id"]): row[column] for row in csv.DictReader(file)}
    ordered = [labels[node] for node in range(len(labels))]
    data = Data(
        y=torch.from_numpy(np.unique(ordered, return_inverse=True)[1]),
        edge_index=_both_directions(torch.from_numpy(edges.T)),
        num_nodes=len(labels),
    )
    words = folder / f"{prefix}.json"
    if words.is_file():
        data.x = _from_words(json.loads(words.read_text(encoding="utf-8")))
    return data


def _both_directions(edge_index: Tensor) -> Tensor:
    undirected: Tensor = to_undirected(remove_self_loops(edge_index)[0])
    return undirected


def _from_words(words: dict[str, list[int]]) -> Tensor:
    """Latent semantic analysis of the numbers of the words of each node."""
    lists = [words[str(node)] for node in range(len(words))]
    row = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
    column = np.concatenate(lists).astype(np.int64)
    counts = csr_matrix((np.ones(len(row)), (row, column)))
    weighted = TfidfTransformer().fit_transform(counts)
    width = min(NUM_FEATURES, min(counts.shape) - 1)
    rows: NDArray[np.float64] = TruncatedSVD(width, random_state=0).fit_transform(
        weighted
    )
    return torch.from_numpy(rows / rows.std(axis=0)).float()
