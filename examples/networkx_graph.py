"""A networkx graph: its spectral embedding, learned, for nodes that come later too.

    python examples/networkx_graph.py

1,500 towns, with roads between near ones. The embedding is learned on the graph of
1,200 of them. The others get their rows from their features alone, without a road.
Prints how much of the exact eigenvectors of the whole graph the learned columns hold.
Draws the graph where the towns are, in the colors of the first column, and by its
first two columns. Ten seconds on one core.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np

from pyg_basis import BASiS
from pyg_basis.graph import as_data
from pyg_basis.metrics import grassmann_distance
from pyg_basis.transforms import AddSpectralPE

NUM_NODES, NUM_LATER, RADIUS = 1500, 300, 0.08
NUM_COLUMNS = 4


def towns(seed: int) -> nx.Graph:
    """The largest connected part of a random geometric graph, with places as x."""
    graph = nx.random_geometric_graph(NUM_NODES, RADIUS, seed=seed)
    largest = max(nx.connected_components(graph), key=len)
    graph = nx.convert_node_labels_to_integers(graph.subgraph(largest).copy())
    for _, town in graph.nodes(data=True):
        town["x"] = np.array(town["pos"])
    return graph


def draw(graph: nx.Graph, rows: np.ndarray, path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
    places = {"where the towns are": nx.get_node_attributes(graph, "pos")}
    places["by the first two columns"] = dict(enumerate(rows[:, :2]))
    for axis, (title, place) in zip(axes, places.items(), strict=True):
        nx.draw_networkx_edges(graph, place, ax=axis, alpha=0.2)
        nx.draw_networkx_nodes(
            graph, place, ax=axis, node_size=8, node_color=rows[:, 0], cmap="viridis"
        )
        axis.set_title(title)
        axis.set_axis_off()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("networkx_graph.png"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    options = parser.parse_args(arguments)

    graph = towns(options.seed)
    rng = np.random.default_rng(options.seed)
    later = rng.choice(len(graph), NUM_LATER, replace=False)
    known = graph.subgraph(np.setdiff1d(np.arange(len(graph)), later))
    known = graph.subgraph(max(nx.connected_components(known), key=len))

    basis = BASiS(NUM_COLUMNS, random_state=options.seed)
    basis.set_params(max_iter=20 if options.quick else 100, batch_size=1024)
    basis.fit(known)  # the roads, and x of each town
    rows = basis.transform(graph)  # x alone: later towns have no road in the model

    exact = AddSpectralPE(NUM_COLUMNS, laplacian="rw")(as_data(graph)).spectral_pe
    for name, nodes in (("known towns", list(known)), ("later towns", later)):
        distance = grassmann_distance(rows[nodes], exact[nodes].numpy())
        print(f"{name}: {1 - distance / NUM_COLUMNS:.1%} of the exact eigenvectors")
    draw(graph, rows, options.output)
    print(f"drawn to {options.output}")


if __name__ == "__main__":
    main()
