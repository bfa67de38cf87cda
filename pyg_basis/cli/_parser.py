from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from pyg_basis import __version__

EXAMPLES = """\
Examples, each a step on from the one before:
  python -c "import numpy; numpy.save('points.npy', numpy.random.rand(5000, 3))"
  pyg-basis fit points.npy --output model.pt --n-components 5
  pyg-basis transform model.pt points.npy --output embedding.npy
  pyg-basis cluster points.npy --model model.pt --n-clusters 4 --output labels.npy
  pyg-basis plot embedding.npy --labels labels.npy --output picture.png
  pyg-basis info model.pt
"""
NOTES = """\
Points: .npy (mapped into memory, never read whole), .npz, .csv (with a header
line), .parquet, or .pt (a tensor, or a PyG Data, whose edges are learned, if it
has some). Embeddings and labels: .npy (written block by block), .npz, .csv or
.parquet. Models: .pt. Pictures: .png, .pdf or .svg.

Of a table a model takes the columns it was fitted on. Otherwise all columns are
taken, of .parquet all of numbers. --labels names one of them, which is then no
feature, or a file with one label a point.

Exit status: 0 done, 1 the data or a file cannot be used, 2 wrong usage,
130 interrupted.
"""
# The arguments of each command, and what it does.
COMMANDS = {
    "fit": (
        "points --output --labels --preset --key --columns --force",
        """Learn the spectral embedding of points, and of points that come later.

Options that are given beside --preset come first.

Examples:
  pyg-basis fit table.csv --columns x,y,z --output model.pt --seed 0
  pyg-basis fit table.csv --labels kind --preset paper --output model.pt
  pyg-basis fit graph.pt --graph edges --output model.pt""",
    ),
    "transform": (
        "model points --output --key --columns --force",
        """Embed points, seen or new, with a model. A row does not depend on the others.

Examples:
  pyg-basis transform model.pt points.npy --output embedding.npy
  pyg-basis transform model.pt new.npy --output new.csv --force --quiet""",
    ),
    "cluster": (
        "points --output --n-clusters --model --save-model --key --columns --force",
        """Cluster points: k-means in a learned embedding.

Without --model, BASiSClustering learns the embedding, with a column a cluster. With
the file that --save-model wrote, new points get the clusters found before.

Examples:
  pyg-basis cluster points.npy --n-clusters 3 -o labels.npy --save-model clusters.pt
  pyg-basis cluster new.npy --model clusters.pt --output new_labels.csv""",
    ),
    "info": (
        "points --json --key --columns",
        """Report how a model was fitted, or the shape and the range of points.

Examples:
  pyg-basis info model.pt
  pyg-basis info points.npy --json""",
    ),
    "plot": (
        "points --output --labels --axes --key --columns --force",
        """Draw an embedding as a scatter, or the loss and the eigenvalues of a model.

Examples:
  pyg-basis plot embedding.npy --labels labels.npy --output clusters.pdf
  pyg-basis plot model.pt --output training.svg""",
    ),
}
PATH: dict[str, Any] = {"type": Path}
FILE: dict[str, Any] = {"type": Path, "metavar": "FILE"}
FLAG: dict[str, Any] = {"action": "store_true"}
AXES: dict[str, Any] = {"type": int, "nargs": 2, "metavar": ("I", "J")}
ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "points": (PATH, "points, a row each, or an embedding; to info and plot, a model"),
    "model": (PATH, "file of pyg-basis fit, cluster or BASiS.save"),
    "--output": (FILE | {"required": True}, "file to write"),
    "--key": ({"metavar": "NAME"}, "array to take from an .npz file of several"),
    "--columns": ({"metavar": "A,B,..."}, "columns to take from .csv or .parquet"),
    "--labels": ({"metavar": "COLUMN|FILE"}, "classes, for colors or anchors"),
    "--preset": ({"metavar": "paper|official"}, "published settings; need --labels"),
    "--n-clusters": ({"type": int, "metavar": "INT"}, "unless --model has some"),
    "--model": (FILE, "take its embedding, and its clusters if it has some"),
    "--save-model": (FILE, "write embedding and clusters, for all that takes a model"),
    "--axes": (AXES, "the eigenvectors to draw, counted from 1 [default: 1 2]"),
    "--json": (FLAG, "as JSON, for programs"),
    "--force": (FLAG, "replace what is there"),
    "--quiet": (FLAG, "only warnings and errors"),
    "--traceback": (FLAG, "on an error, show where it arose"),
}


def new_parser(command: str = "") -> ArgumentParser:
    """The parser of a command line that starts with this command. Only that command
    has its options: the signatures of the estimators are slow to import."""
    style: Any = {"formatter_class": RawDescriptionHelpFormatter, "allow_abbrev": False}
    text = "Spectral embeddings, learned once and applied to any new point."
    epilog, version = f"{EXAMPLES}\n{NOTES}", f"pyg-basis {__version__}"
    parser = ArgumentParser(prog="pyg-basis", description=text, epilog=epilog, **style)
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (arguments, text) in COMMANDS.items():
        style |= {"help": text.splitlines()[0], "description": text, "epilog": NOTES}
        options = commands.add_parser(name, **style)
        if name != command:
            continue
        required, _, optional = arguments.partition(" --")
        output = " --output FILE" if optional.startswith("output") else ""
        options.usage = f"%(prog)s {required.upper()}{output} [option ...]"
        for argument in f"{arguments} --quiet --traceback".split():
            short = ["-o"] if argument == "--output" else []
            settings, text = ARGUMENTS[argument]
            options.add_argument(argument, *short, help=text, **settings)
        if name in ("fit", "cluster"):
            from pyg_basis.cli import _options

            getattr(_options, f"add_to_{name}")(options)
    return parser
