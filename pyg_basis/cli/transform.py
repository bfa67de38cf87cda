from pathlib import Path
from typing import Annotated

import typer

from pyg_basis.cli import _options as options
from pyg_basis.cli._reported import reported

EXAMPLES = """\b
Examples:
  pyg-basis transform model.pt points.npy --output embedding.npy
  pyg-basis transform model.pt new.npy --output new.csv --force --quiet
"""


def transform(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL.pt",
            help="File of pyg-basis fit, cluster or BASiS.save.",
            show_default=False,
        ),
    ],
    points: options.Points,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="EMBEDDING",
            help="File to write: .npy (block by block, in little memory), .npz, .csv "
            "or .parquet.",
        ),
    ],
    key: options.Key = None,
    columns: options.Columns = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    traceback: options.Traceback = False,
) -> None:
    """Embed points, seen or new, with a model. A row does not depend on the others."""
    with reported(traceback):
        from pyg_basis.cli._blocks import as_array
        from pyg_basis.cli._model_file import read_model
        from pyg_basis.cli._new_file import new_file
        from pyg_basis.cli._points import read_points
        from pyg_basis.cli._write_rows import WRITERS, Shape, write_rows

        with new_file(output, "--output", WRITERS, force) as temporary:
            basis = read_model(model).basis
            read = read_points(points, key, columns, basis)
            embedding = (
                as_array(basis.transform(block))
                for block in read.finite_blocks("transform", quiet)
            )
            names = basis.get_feature_names_out()
            write_rows(temporary, embedding, Shape("embedding", len(read.rows), names))
