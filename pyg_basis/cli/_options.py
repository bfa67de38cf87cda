"""The options that several commands share, and those that are parameters of BASiS."""

from pathlib import Path
from typing import Annotated

import typer

# --- files

Points = Annotated[
    Path,
    typer.Argument(
        metavar="POINTS",
        help="Points, a row each: .npy (mapped into memory, never read whole), .npz, "
        ".csv (a first line of names is a header, and so is 0,1,2,... above several "
        "columns; any other line of numbers is a point), .parquet, or .pt (a tensor or "
        "a PyG Data).",
        show_default=False,
    ),
]
Key = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Array to take from an .npz file with several."),
]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,...",
        help="Columns to take from a .csv file with a header, or from .parquet; by "
        "default those a model was fitted on, else all (.parquet: all of numbers).",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]

# --- what is learned

Graph = Annotated[
    str,
    typer.Option(
        metavar="auto|neighbors|whole|coarsened|induced",
        help="Whose eigenvectors are learned: auto takes the edges of a .pt file "
        "with a PyG Data that has some, neighbors the nearest neighbours of the "
        "features always; the others say how edges are learned.",
    ),
]

# --- how it runs

Quiet = Annotated[
    bool, typer.Option("--quiet", help="Only warnings and errors, no progress.")
]
Traceback = Annotated[
    bool, typer.Option("--traceback", help="On an error, show where it arose.")
]
Device = Annotated[
    str, typer.Option(help="Where the network is trained, such as cuda.")
]
NumWorkers = Annotated[
    int,
    typer.Option("--n-workers", help="Processes that compute targets ahead."),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", help="Makes the result repeatable.", show_default=False),
]
