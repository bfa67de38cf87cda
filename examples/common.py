"""What the examples share: graphs, splits of nodes, encodings, a training loop."""

import argparse
import statistics
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.transforms import AddLaplacianEigenvectorPE
from torch_geometric.utils import scatter, to_torch_csr_tensor

from pyg_basis import BASiS
from pyg_basis.datasets import digits
from pyg_basis.graph import affinity, knn_graph
from pyg_basis.transforms import AddBASiSPE, AddSpectralPE

NONE = "none"
PYG = "AddLaplacianEigenvectorPE"
EXACT = "AddSpectralPE"
LEARNED = "AddBASiSPE"
LABELS_PER_CLASS, NUM_VALIDATION = 20, 500
EVALUATED_EVERY = 5  # epochs
NUM_COLUMNS = 16


def parse(description: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--graph", default="digits", help="a file with a PyG Data that has x and y")
    add("--seeds", type=int, help="splits and starting weights (default: 3)")
    add("--quick", action="store_true", help="a smoke run")
    options = parser.parse_args(arguments)
    options.epochs = 20 if options.quick else 100
    if options.seeds is None:
        options.seeds = 1 if options.quick else 3
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    return options


def load(options: argparse.Namespace) -> Data:
    """A graph with features `x`, classes `y` and undirected edges."""
    if options.graph != "digits":
        data = torch.load(options.graph, weights_only=False)
        return Data(x=data.x, y=data.y, edge_index=data.edge_index)
    images = digits()
    graph = affinity(knn_graph(images.x_train, 10))
    return Data(x=images.x_train, y=images.y_train, edge_index=graph.edge_index)


def neighborhood(data: Data, steps: int = 2) -> Tensor:
    """The features and their means over neighborhoods of one and more steps."""
    source, target = data.edge_index
    columns = [data.x]
    for _ in range(steps):
        reached = columns[-1][source]
        columns.append(scatter(reached, target, 0, data.num_nodes, reduce="mean"))
    return torch.cat(columns, dim=1)


def learn_basis(data: Data, seed: int, quick: bool = False) -> BASiS:
    """A model of the graph's eigenvectors, from what is known of a node."""
    basis = BASiS(NUM_COLUMNS, random_state=seed)
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
    adjacency = sparse_adjacency(data)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    best, found, state = -1.0, 0.0, {}
    for epoch in range(1, epochs + 1):
        model.train()
        scores = model(x, adjacency)
        loss = F.cross_entropy(scores[split.train], data.y[split.train])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if epoch % EVALUATED_EVERY:
            continue
        model.eval()
        with torch.no_grad():
            scores = model(x, adjacency)
        validation = accuracy(scores, data.y, split.validation)
        if validation > best:
            best, found = validation, accuracy(scores, data.y, split.test)
            state = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(state)
    return found


def sparse_adjacency(data: Data) -> Tensor:
    """The edges as a sparse matrix, which PyG's layers take in place of `edge_index`:
    the same results in half the time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's: its layout is new
        return to_torch_csr_tensor(data.edge_index, size=(data.num_nodes,) * 2)


def compare(
    data: Data,
    make_model: Callable[[int], nn.Module],
    options: argparse.Namespace,
    epochs: int,
) -> dict[str, list[float]]:
    """Test accuracies of a model with each kind of encodings, one for each seed: the
    same splits and starting weights for all. `make_model` gets the number of columns
    of the encodings, which the model reads in addition to the features."""
    found: dict[str, list[float]] = {name: [] for name in (NONE, PYG, EXACT, LEARNED)}
    for seed in range(options.seeds):
        split = random_split(data.y, torch.arange(data.num_nodes), seed)
        for name, values in found.items():
            rows = encodings(name, data, seed, options.quick)
            torch.manual_seed(seed)
            model = make_model(rows.size(1))
            x = torch.cat([data.x, rows], dim=1)
            values.append(train_classifier(model, x, data, split, epochs))
    return found


def show(title: str, figures: dict[str, list[float]]) -> dict[str, list[float]]:
    """Prints the mean and deviation of each row over the seeds, in percent, and of its
    gain on the row without encodings."""
    print(f"{title}, %\n{'encodings':28}  accuracy     gain on none")
    for name, values in figures.items():
        gains = [a - b for a, b in zip(values, figures[NONE], strict=True)]
        mean, deviation = mean_std(gains)
        gain = "" if name == NONE else f"{100 * mean:+5.1f} ± {100 * deviation:.1f}"
        mean, deviation = mean_std(values)
        print(f"{name:28} {100 * mean:5.1f} ± {100 * deviation:.1f}   {gain}".rstrip())
    return figures


def mean_std(values: Sequence[float]) -> tuple[float, float]:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return statistics.mean(values), deviation
