"""Classes of nodes that are not there yet when the model is trained.

    python examples/cold_start.py --graph FILE

A tenth of the nodes, and their edges, are taken away; a GCN is trained on the rest, and
tested on the nodes that were away, once they are back with their edges. Encodings for
them: none; the mean of their neighbors' exact ones; or those of a BASiS model that has
never seen them, which predicts a node's row from the features of its neighborhood.
"""

from collections.abc import Sequence

import torch
from common import (
    EXACT,
    LEARNED,
    NONE,
    accuracy,
    encodings,
    learn_basis,
    load,
    neighborhood,
    parse,
    random_split,
    scale,
    show,
    train_classifier,
)
from gcn_with_basis_pe import GCN
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from pyg_basis.transforms import AddBASiSPE

NEVER_SEEN = 0.1
MEAN = "mean of neighbors' exact"


def main(arguments: Sequence[str] | None = None) -> dict[str, list[float]]:
    options = parse(__doc__, arguments)
    data = load(options)
    num_classes = int(data.y.max()) + 1
    found: dict[str, list[float]] = {name: [] for name in (NONE, MEAN, LEARNED)}
    for seed in range(options.seeds):
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(data.num_nodes, generator=generator)
        num_later = int(NEVER_SEEN * data.num_nodes)
        later, before = order[:num_later], order[num_later:].sort().values
        seen = data.subgraph(before)
        split = random_split(seen.y, torch.arange(seen.num_nodes), seed)
        for name, values in found.items():
            known, of_all = both(name, data, seen, before, seed, options.quick)
            torch.manual_seed(seed)
            model = GCN(data.x.size(1) + known.size(1), num_classes)
            x = torch.cat([seen.x, known], dim=1)
            train_classifier(model, x, seen, split, options.epochs)
            with torch.no_grad():
                scores = model(torch.cat([data.x, of_all], dim=1), data.edge_index)
            values.append(accuracy(scores, data.y, later))
    return show(f"{options.graph}: accuracy on nodes never seen in training", found)


def both(
    name: str, data: Data, seen: Data, before: Tensor, seed: int, quick: bool
) -> tuple[Tensor, Tensor]:
    """Encodings of the nodes that were there, and of all nodes once all are there."""
    if name == LEARNED:
        transform = AddBASiSPE(learn_basis(seen, seed, quick), "pe")
        known, of_all = (
            transform(Data(x=neighborhood(graph))).pe for graph in (seen, data)
        )
        factor = scale(known, seen.x)
        return known * factor, of_all * factor
    known = encodings(EXACT if name == MEAN else NONE, seen, seed)
    rows = known.new_zeros(data.num_nodes, known.size(1))
    rows[before] = known
    is_known = torch.zeros(data.num_nodes, dtype=torch.bool)
    is_known[before] = True
    source, target = data.edge_index[:, is_known[data.edge_index[0]]]
    of_all = scatter(rows[source], target, 0, data.num_nodes, reduce="mean")
    of_all[before] = known
    return known, of_all


if __name__ == "__main__":
    main()
