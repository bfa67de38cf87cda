from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from pyg_basis.cli import _options as options
from pyg_basis.cli._reported import reported

EXAMPLES = """\b
Examples:
  pyg-basis cluster points.npy --n-clusters 3 --output labels.npy \\
      --save-model clusters.pt
  pyg-basis cluster new.npy --model clusters.pt --output new_labels.csv
  pyg-basis cluster points.npy --model model.pt --n-clusters 5 --output five.npy
  pyg-basis cluster graph.pt --n-clusters 3 --output nodes.npy
"""


def cluster(
    points: options.Points,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="LABELS",
            help="File to write, one cluster a point: .npy, .npz, .csv or .parquet.",
        ),
    ],
    n_clusters: Annotated[
        int | None,
        typer.Option(help="Number of clusters, where --model has none."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL.pt",
            help="Learn no embedding, but take that of this file; its clusters too, if "
            "it has some.",
        ),
    ] = None,
    save_model: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL.pt",
            help="Write embedding and clusters to this file, for --model, and for "
            "transform, info and plot.",
        ),
    ] = None,
    graph: options.Graph = "auto",
    n_workers: options.NumWorkers = 0,
    device: options.Device = "cpu",
    random_state: options.Seed = None,
    key: options.Key = None,
    columns: options.Columns = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    traceback: options.Traceback = False,
) -> None:
    """Cluster points: k-means in a learned embedding.

    Without --model the embedding is learned with BASiSClustering's defaults, a column
    a cluster; of the edges of a .pt file, if it holds a PyG Data that has some. For
    other settings, give --model a file of pyg-basis fit. With the file that
    --save-model wrote, new points are given the clusters found before.
    """
    if model is not None and (graph, n_workers, device) != ("auto", 0, "cpu"):
        raise typer.BadParameter(
            "--graph, --n-workers and --device are for learning an embedding: leave "
            "them out",
            param_hint="--model",
        )
    with reported(traceback, quiet):
        from pyg_basis.cli._clusters import new_clustering
        from pyg_basis.cli._model_file import SUFFIX, read_model, write_clustering
        from pyg_basis.cli._new_file import new_file
        from pyg_basis.cli._points import read_points
        from pyg_basis.cli._write_rows import WRITERS, Shape, write_rows

        with ExitStack() as files:
            new_labels = files.enter_context(
                new_file(output, "--output", WRITERS, force)
            )
            if save_model is not None:
                new_model = files.enter_context(
                    new_file(save_model, "--save-model", [SUFFIX], force)
                )
            basis, clustering = (None, None) if model is None else read_model(model)
            if (clustering is None) is (n_clusters is None):
                raise typer.BadParameter(
                    "give it, or a --model with clusters, and not both",
                    param_hint="--n-clusters",
                )
            read = read_points(points, key, columns, basis)
            labels: Iterator[Any]
            if clustering is not None:
                predict = clustering.predict
                labels = map(predict, read.finite_blocks("cluster", quiet))
            else:
                clusters, seed = cast(int, n_clusters), random_state
                parameters = {"graph": graph, "n_workers": n_workers, "device": device}
                clustering = new_clustering(
                    read, basis, clusters, seed, quiet, **parameters
                )
                labels = iter([clustering.labels_])
            shape = Shape("cluster", len(read.rows), ["cluster"])
            write_rows(new_labels, labels, shape)
            if save_model is not None:
                write_clustering(clustering, new_model)
