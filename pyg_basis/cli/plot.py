from pathlib import Path
from typing import Annotated

import typer

from pyg_basis.cli import _options as options
from pyg_basis.cli._reported import reported

EXAMPLES = """\b
Examples:
  pyg-basis plot embedding.npy --output embedding.png --axes 2 3
  pyg-basis plot embedding.npy --labels labels.npy --output clusters.pdf
  pyg-basis plot model.pt --output training.svg
"""
SUFFIXES = (".png", ".pdf", ".svg")


def plot(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="EMBEDDING|MODEL.pt",
            help="An embedding, which is drawn as a scatter, or a model: its loss and "
            "eigenvalues.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="PICTURE",
            help="File to write: .png, .pdf or .svg.",
        ),
    ],
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|FILE",
            help="Colours: a column of the file, or a file with one label a point.",
        ),
    ] = None,
    axes: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="I J",
            help="The eigenvectors to draw, counted from 1. [default: 1 2]",
        ),
    ] = None,
    key: options.Key = None,
    columns: options.Columns = None,
    force: options.Force = False,
    traceback: options.Traceback = False,
) -> None:
    """Draw an embedding, or how the training of a model went."""
    with reported(traceback):
        from pyg_basis.cli._labels import read_labelled
        from pyg_basis.cli._model_file import is_model, read_model
        from pyg_basis.cli._new_file import new_file
        from pyg_basis.cli._pictures import embedding_picture, training_picture

        with new_file(output, "--output", SUFFIXES, force) as temporary:
            if is_model(file):
                if labels is not None or axes is not None:
                    raise typer.BadParameter(
                        "are for an embedding, and this is a model: leave them out",
                        param_hint="--labels and --axes",
                    )
                picture = training_picture(read_model(file).basis)
            else:
                read, colors = read_labelled(file, key, columns, labels)
                picture = embedding_picture(read, colors, axes or (1, 2))
            picture.savefig(temporary, dpi=150, bbox_inches="tight")
