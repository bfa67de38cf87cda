"""What the examples share: graphs, splits of nodes, encodings, a training loop."""

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.transforms import AddLaplacianEigenvectorPE
from torch_geometric.utils import scatter

from pyg_basis import BASiS
from pyg_basis.datasets import digits, load_graph
from pyg_basis.graph import affinity, knn_graph
from pyg_basis.transforms import AddBASiSPE, AddSpectralPE

GRAPHS = ("cora", "facebook", "digits")
NONE = "none"
PYG = "AddLaplacianEigenvectorPE"
EXACT = "AddSpectralPE"
LEARNED = "AddBASiSPE"
LABELS_PER_CLASS, NUM_VALIDATION = 20, 500
NUM_COLUMNS = 16


def parse(description: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--graph", choices=GRAPHS, default="digits", help="(default: digits)")
    add("--data-root", type=Path, help="folder that holds 'graphs'; else from PyG")
    add("--cache-dir", type=Path, default=Path("cache"), help="of what is downloaded")
    add("--seeds", type=int, default=3, help="splits and starting weights")
    add("--quick", action="store_true", help="a smoke run")
    options = parser.parse_args(arguments)
    options.epochs = 20 if options.quick else 100
    options.seeds = 1 if options.quick else options.seeds
    return options


def load(options: argparse.Namespace) -> Data:
    """A graph with features `x`, classes `y` and undirected edges."""
    if options.graph != "digits":
        data = load_graph(options.graph, options.data_root, options.cache_dir)
        return Data(x=data.x, y=data.y, edge_index=data.edge_index)
    images = digits()
    graph = affinity(knn_graph(images.x_train, 10))
    return Data(x=images.x_train, y=images.y_train, edge_index=graph.edge_index)


def neighborhood(data: Data, steps: int = 2) -> Tensor:
    """The features beside their means over neighbourhoods of one and more steps."""
    source, target = data.edge_index
    columns = [data.x]
    for _ in range(steps):
        reached = columns[-1][source]
        columns.append(scatter(reached, target, 0, data.num_nodes, reduce="mean"))
    return torch.cat(columns, dim=1)


def learn_basis(data: Data, seed: int, quick: bool = False) -> BASiS:
    """A model of the graph's eigenvectors, from what is known of a node."""
    basis = BASiS(NUM_COLUMNS, laplacian="rw", drop_trivial=True, random_state=seed)
    basis.set_params(batch_size=1024, max_iter=20 if quick else 150)
    return basis.fit(Data(x=neighborhood(data), edge_index=data.edge_index))


def encodings(name: str, data: Data, seed: int, quick: bool = False) -> Tensor:
    """Positional encodings of all nodes, by their name; "none" is a column of zeros."""
    if name == NONE:
        return data.x.new_zeros(data.num_nodes, 1)
    if name == PYG:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # its signs are drawn at random
            rows = AddLaplacianEigenvectorPE(NUM_COLUMNS, "pe", True)(data).pe.float()
    elif name == EXACT:
        rows = AddSpectralPE(NUM_COLUMNS, "pe")(data).pe
    else:
        transform = AddBASiSPE(learn_basis(data, seed, quick), "pe")
        rows = transform(Data(x=neighborhood(data))).pe
    return rows * scale(rows, data.x)


def scale(rows: Tensor, x: Tensor) -> Tensor:
    """What makes encodings as long as features are, so that neither drowns the other:
    the words of a paper are small numbers, pixels are not."""
    return x.norm(dim=1).mean() / rows.norm(dim=1).mean()


class Split(NamedTuple):
    """Nodes to learn from, to choose by, and to be measured on."""

    train: Tensor
    validation: Tensor
    test: Tensor


def random_split(y: Tensor, nodes: Tensor, seed: int) -> Split:
    """So many nodes of every class to learn from; of the rest, some to choose by."""
    shuffled = torch.randperm(len(nodes), generator=torch.Generator().manual_seed(seed))
    order = nodes[shuffled]
    train = torch.cat([order[y[order] == c][:LABELS_PER_CLASS] for c in y.unique()])
    rest = order[~torch.isin(order, train)]
    num_validation = min(NUM_VALIDATION, len(rest) // 3)
    return Split(train, rest[:num_validation], rest[num_validation:])


def accuracy(scores: Tensor, y: Tensor, nodes: Tensor) -> float:
    return float((scores[nodes].argmax(dim=1) == y[nodes]).float().mean())


def train_classifier(
    model: nn.Module, x: Tensor, data: Data, split: Split, epochs: int
) -> float:
    """The accuracy on the test nodes at the epoch of the best validation; the model is
    left with the weights of that epoch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    best, found, state = -1.0, 0.0, {}
    for _ in range(epochs):
        model.train()
        scores = model(x, data.edge_index)
        loss = F.cross_entropy(scores[split.train], data.y[split.train])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            scores = model(x, data.edge_index)
        validation = accuracy(scores, data.y, split.validation)
        if validation > best:
            best, found = validation, accuracy(scores, data.y, split.test)
            state = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(state)
    return found


def show(title: str, figures: dict[str, list[float]]) -> dict[str, list[float]]:
    """Prints the mean and deviation of each row, in percent."""
    print(title)
    for name, values in figures.items():
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        print(
            f"  {name:28} {100 * statistics.mean(values):5.1f} ± {100 * deviation:.1f}"
        )
    return figures
