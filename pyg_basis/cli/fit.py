from pathlib import Path
from typing import Annotated, Any

import typer

from pyg_basis.cli import _options as options
from pyg_basis.cli._reported import reported


def _number_or_name(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


EXAMPLES = """\b
Examples:
  pyg-basis fit points.npy --output model.pt --n-components 5 --seed 0
  pyg-basis fit table.csv --columns x,y,z --laplacian rw --output model.pt
  pyg-basis fit table.csv --labels kind --preset paper --output model.pt
  pyg-basis fit graph.pt --laplacian rw --output model.pt
  pyg-basis fit graph.pt --graph neighbors --output model.pt
"""


def fit(
    context: typer.Context,
    points: options.Points,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="MODEL.pt", help="File to write."),
    ],
    # From here to random_state: parameters of BASiS by their names, where None
    # leaves the default of the preset or of BASiS.
    n_components: Annotated[
        int | None, typer.Option(help="Columns of the embedding. [default: 2]")
    ] = None,
    n_neighbors: Annotated[
        int | None,
        typer.Option(help="Neighbours of a point in a batch. [default: 50]"),
    ] = None,
    laplacian: Annotated[
        str | None, typer.Option(metavar="sym|rw|comb", help="[default: sym]")
    ] = None,
    drop_trivial: Annotated[
        bool,
        typer.Option("--drop-trivial", help="Leave out the trivial eigenvector."),
    ] = False,
    bandwidth: Annotated[
        str | None,
        typer.Option(
            parser=_number_or_name,
            metavar="self_tuning|global|NUMBER",
            help="[default: self_tuning]",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Points of a batch, anchors included. [default: 2048]"),
    ] = None,
    reference_size: Annotated[
        int | None,
        typer.Option(
            help="Points of the graph whose eigenvectors are learned, at least a "
            "batch. [default: 10000]"
        ),
    ] = None,
    n_anchors: Annotated[
        int | None,
        typer.Option(help="Points that all batches share. [default: 250]"),
    ] = None,
    anchors: Annotated[
        str | None,
        typer.Option(
            metavar="poisson_disk|random|kmeans++|farthest|per_class",
            help="How they are chosen. [default: poisson_disk]",
        ),
    ] = None,
    alignment: Annotated[
        str | None,
        typer.Option(
            metavar="lstsq|ransac|orthogonal|moments", help="[default: lstsq]"
        ),
    ] = None,
    graph: options.Graph = "auto",
    max_iter: Annotated[
        int | None, typer.Option(help="Batches trained on, at most. [default: 300]")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="[default: 0.003]")
    ] = None,
    n_workers: options.NumWorkers = 0,
    device: options.Device = "cpu",
    random_state: options.Seed = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="paper|official",
            help="Published settings, which need --labels; options given beside it "
            "come first.",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|FILE",
            help="Classes, for --anchors per_class only: a column of POINTS, which is "
            "then no feature, or a file with one label a point.",
        ),
    ] = None,
    key: options.Key = None,
    columns: options.Columns = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    traceback: options.Traceback = False,
) -> None:
    """Learn the spectral embedding of points, and of points that come later.

    Of a .pt file with a PyG Data that has edges, the eigenvectors of that graph are
    learned; --n-neighbors, --bandwidth, --anchors and --labels play no role then. With
    --graph neighbors its edges play none.
    """
    with reported(traceback, quiet):
        from pyg_basis.cli._existing_file import existing_file
        from pyg_basis.cli._labels import read_labelled
        from pyg_basis.cli._model_file import SUFFIX
        from pyg_basis.cli._new_file import new_file
        from pyg_basis.cli._points import SUFFIXES
        from pyg_basis.estimators._graph_training import given_edges

        with new_file(output, "--output", [SUFFIX], force) as temporary:
            basis = _basis(context.params, preset)
            # Edges that are asked for and missing are told of before rows are read.
            edges = given_edges(basis, existing_file(points, SUFFIXES))
            if edges is None and basis.anchors == "per_class" and labels is None:
                raise ValueError(
                    "anchors='per_class' needs --labels: give a column of POINTS or a "
                    "file, or choose --anchors poisson_disk"
                )
            read, classes = read_labelled(points, key, columns, labels)
            read.check_finite()
            basis.set_params(verbose=not quiet).fit(read.source, classes)
            read.name_features_of(basis)
            basis.set_params(verbose=False).save(temporary)
        if not quiet:
            typer.echo(
                f"{output}: {basis.n_components} components, {basis.n_iter_} "
                f"iterations, last loss {basis.history_['loss'][-1]:.4g}",
                err=True,
            )


def _basis(given: dict[str, Any], preset: Any) -> Any:
    """The estimator with the parameters that are given among the options, which come
    before those of the preset.

    Raises:
        ValueError: If one cannot be used.
    """
    from pyg_basis import BASiS
    from pyg_basis.estimators import preset as published
    from pyg_basis.estimators._parameters import check_parameters

    basis = BASiS()
    names = basis.get_params()
    given = {
        name: value
        for name, value in given.items()
        if name in names and value is not None
    }
    basis.set_params(**given)
    if preset is not None:
        basis.set_params(**{**published(preset, basis.n_components), **given})
    check_parameters(basis)
    return basis
