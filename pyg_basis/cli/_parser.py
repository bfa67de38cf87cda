from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyg_basis import __version__
from pyg_basis.cli._files import check_files

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
Points: .npy (mapped into memory, never read whole), .npz, a table, or .pt (a
tensor, or a PyG Data, whose edges are learned, if it has some). Embeddings and
labels: .npy (written block by block), .npz, or a table. Models: .pt. Pictures:
.png, .pdf or .svg.

Tables: .parquet, or .csv and .tsv with a header line, which shows whether commas,
semicolons, tabs or bars separate the columns. A model takes the columns it was
fitted on. Otherwise all columns are taken, of .parquet all of numbers. --labels
and --weights name one of them, which is then no feature, or a file with one value a
point.

Exit status: 0 done, 1 the data or a file cannot be used, 2 wrong usage,
130 interrupted, 143 terminated.
"""
# The arguments of each command, and what it does.
COMMANDS = {
    "fit": (
        "points -o/--output --labels --weights --preset --force",
        """Learn the spectral embedding of points, and of points that come later.

Options that are given beside --preset come first.

Examples:
  pyg-basis fit table.csv --columns x,y,z --output model.pt --seed 0
  pyg-basis fit table.csv --labels kind --preset paper --output model.pt
  pyg-basis fit distinct.csv --weights count --output model.pt
  pyg-basis fit graph.pt --graph edges --output model.pt""",
    ),
    "transform": (
        "model points -o/--output --force",
        """Embed points, seen or new, with a model. A row does not depend on the others.

Examples:
  pyg-basis transform model.pt points.npy --output embedding.npy
  pyg-basis transform model.pt new.npy --output new.csv --force --quiet""",
    ),
    "cluster": (
        "points -o/--output --n-clusters --weights --model --save-model --soft --force",
        """Cluster points: k-means in a learned embedding.

Without --model, BASiSClustering learns the embedding, with a column a cluster. With
the file that --save-model wrote, new points get the clusters found before.

Examples:
  pyg-basis cluster points.npy --n-clusters 3 -o labels.npy --save-model clusters.pt
  pyg-basis cluster new.npy --model clusters.pt --output new_labels.csv
  pyg-basis cluster points.npy --n-clusters eigengap --soft -o memberships.csv""",
    ),
    "info": (
        "points --json",
        """Report how a model was fitted, or the shape and the range of points.

Examples:
  pyg-basis info model.pt
  pyg-basis info points.npy --json""",
    ),
    "plot": (
        "points -o/--output --labels --axes --force",
        """Draw an embedding as a scatter, or the loss and the eigenvalues of a model.

Examples:
  pyg-basis plot embedding.npy --labels labels.npy --output clusters.pdf
  pyg-basis plot model.pt --output training.svg""",
    ),
}
COMMON = ("--key", "--columns", "--drop", "--quiet", "--traceback")
PATH: dict[str, Any] = {"type": Path}
FILE: dict[str, Any] = {"type": Path, "metavar": "FILE"}
NAMES: dict[str, Any] = {"type": lambda text: text.split(","), "metavar": "A,B,..."}
FLAG: dict[str, Any] = {"action": "store_true"}
AXES: dict[str, Any] = {"type": int, "nargs": 2, "metavar": ("I", "J")}


def clusters(text: str) -> int | str:
    """A number of clusters, or what chooses it."""
    return text if text == "eigengap" else int(text)


CLUSTERS: dict[str, Any] = {"type": clusters, "metavar": "INT|eigengap"}
ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "points": (PATH, "points, a row each, or an embedding; to info and plot, a model"),
    "model": (PATH, "file of pyg-basis fit, cluster or BASiS.save"),
    "-o/--output": (FILE | {"required": True}, "file to write"),
    "--key": ({"metavar": "NAME"}, "array to take from an .npz file of several"),
    "--columns": (NAMES, "columns of a table to take"),
    "--drop": (NAMES | {"default": []}, "columns of a table to leave out"),
    "--labels": ({"metavar": "COLUMN|FILE"}, "classes, for colors or anchors"),
    "--weights": (
        {"metavar": "COLUMN|FILE"},
        "as how many points each counts, such as of merged equal rows",
    ),
    "--preset": ({"metavar": "paper|official"}, "published settings; need --labels"),
    "--n-clusters": (CLUSTERS, "unless --model has some"),
    "--soft": (FLAG, "write the memberships in all clusters, a column each"),
    "--model": (FILE, "take its embedding, and its clusters if it has some"),
    "--save-model": (FILE, "write embedding and clusters, for all that takes a model"),
    "--axes": (AXES, "the eigenvectors to draw, counted from 1 [default: 1 2]"),
    "--json": (FLAG, "as JSON, for programs"),
    "--force": (FLAG, "replace what is there"),
    "--quiet": (FLAG, "only warnings and errors"),
    "--traceback": (FLAG, "on an error, show where it arose"),
}


def parse(given: Sequence[str]) -> Namespace:
    """The arguments of a command line, of which the files are checked first: options
    that are made from the signatures of estimators are slow to import."""
    if {"-h", "--help"}.isdisjoint(given):
        arguments, unknown = new_parser().parse_known_args(given)
        known = given[: given.index(unknown[0])] if unknown else given
        # Behind an unknown option its value may have been taken for the points.
        if arguments.points in map(Path, known):
            check_files(arguments)
        if not unknown:
            return arguments
    arguments = new_parser(*given[:1]).parse_args(given)
    check_files(arguments)
    return arguments


def new_parser(command: str = "") -> ArgumentParser:
    """The parser. Of the options that are made from signatures it has those of one
    command."""
    style: Any = {"formatter_class": RawDescriptionHelpFormatter, "allow_abbrev": False}
    text = "Spectral embeddings, learned once and applied to any new point."
    epilog, version = f"{EXAMPLES}\n{NOTES}", f"pyg-basis {__version__}"
    parser = ArgumentParser(prog="pyg-basis", description=text, epilog=epilog, **style)
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (arguments, text) in COMMANDS.items():
        style |= {"help": text.splitlines()[0], "description": text, "epilog": NOTES}
        options = commands.add_parser(name, **style)
        for argument in (*arguments.split(), *COMMON):
            settings, text = ARGUMENTS[argument]
            options.add_argument(*argument.split("/"), help=text, **settings)
    if command in ("fit", "cluster"):
        from pyg_basis.cli._options import add_parameters

        options = commands.choices[command]
        usage = options.format_usage().removeprefix("usage: ").rstrip()
        options.usage = f"{usage} [parameter ...]"
        add_parameters(options, command)
    return parser
