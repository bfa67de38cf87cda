from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyg_basis import __version__
from pyg_basis.cli._files import check_files, given_points
from pyg_basis.cli._shards import shard

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
labels: .npy and .parquet (written block by block), .npz, .csv or .tsv. Models:
.pt. Pictures: .png, .pdf or .svg.

Tables: .parquet, or .csv and .tsv with a header line, which shows whether commas,
semicolons, tabs or bars separate the columns. A model takes the columns it was
fitted on. Otherwise all columns are taken, of .parquet all of numbers. --labels
and --weights name one of them, which is then no feature, or a file with one value a
point.

Exit status: 0 done, 1 the data or a file cannot be used, 2 wrong usage,
130 interrupted, 143 terminated.
"""
# The arguments of each command, and its description.
COMMANDS = {
    "fit": (
        "points -o/--output --labels --weights --preset --checkpoint --force",
        """Learn the spectral embedding of points, and of points that come later.

Options that are given with --preset take precedence over it. With --checkpoint,
the training is kept in that folder after each tenth batch, and at SIGTERM; the
same command goes on with it. Of the processes that torchrun starts, all train,
and one writes.

Examples:
  pyg-basis fit table.csv --columns x,y,z --output model.pt --seed 0
  pyg-basis fit table.csv --labels kind --preset paper --output model.pt
  pyg-basis fit distinct.csv --weights count --output model.pt
  pyg-basis fit graph.pt --graph edges --output model.pt
  torchrun --nproc-per-node 2 -m pyg_basis fit points.npy --output model.pt""",
    ),
    "transform": (
        "model parts -o/--output|--output-dir --shard --keep --force",
        """Embed points, seen or new, with a model. A row does not depend on the others.

Of many files each becomes a file of its name in --output-dir, .pt becomes .npy.
What is there is left as it is, so that a command that was ended goes on when it is
given again. Processes and machines share the work: each gets all of the files and
another --shard, I/N for the I-th by name and then every N-th. Of .npy and .parquet
some thousand rows are in memory at a time.

Examples:
  pyg-basis transform model.pt points.npy --output embedding.npy
  pyg-basis transform model.pt new.npy --output new.csv --force --quiet
  pyg-basis transform model.pt parts/*.parquet --output-dir out --shard 3/64""",
    ),
    "cluster": (
        "points -o/--output --n-clusters --weights --model --save-model --soft "
        "--checkpoint --force",
        """Cluster points: k-means in a learned embedding.

Without --model, BASiSClustering learns the embedding, with a column a cluster. With
the file that --save-model wrote, new points get the clusters found before.

Examples:
  pyg-basis cluster points.npy --n-clusters 3 -o labels.npy --save-model clusters.pt
  pyg-basis cluster new.npy --model clusters.pt --output new_labels.csv
  pyg-basis cluster points.npy --n-clusters eigengap --soft -o memberships.csv""",
    ),
    "update": (
        "model points -o/--output --n-clusters --forget-factor --force",
        """Learn new points as well, and leave the embedding of earlier ones in place.

The model is one of pyg-basis fit or cluster with --updatable. Labels of clusters
stay; with --n-clusters there are as many from now on.

Examples:
  pyg-basis fit points.npy --updatable --output model.pt
  pyg-basis update model.pt new.npy --output newer.pt
  pyg-basis update clusters.pt new.npy --n-clusters 5 --output newer.pt""",
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
PARTS = PATH | {"nargs": "+", "metavar": "points"}
FOLDER: dict[str, Any] = {"type": Path, "metavar": "DIR"}
SHARD: dict[str, Any] = {"type": shard, "metavar": "I/N"}
FILE: dict[str, Any] = {"type": Path, "metavar": "FILE"}
NAMES: dict[str, Any] = {"type": lambda text: text.split(","), "metavar": "A,B,..."}
FLAG: dict[str, Any] = {"action": "store_true"}
AXES: dict[str, Any] = {"type": int, "nargs": 2, "metavar": ("I", "J")}


def int_or_eigengap(text: str) -> int | str:
    """A number of clusters, or the method that chooses it. Errors show the name of
    this function."""
    return text if text == "eigengap" else int(text)


CLUSTERS: dict[str, Any] = {"type": int_or_eigengap, "metavar": "INT|eigengap"}
ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "points": (PATH, "points, a row each, or an embedding; to info and plot, a model"),
    "parts": (PARTS, "points, a row each, in one file or many"),
    "model": (PATH, "file of pyg-basis fit, cluster or BASiS.save"),
    "-o/--output": (FILE | {"required": True}, "file to write"),
    "--output-dir": (FOLDER, "folder to write a file for each file of points to"),
    "--shard": (SHARD, "of many files, take the I-th, then every N-th"),
    "--keep": (NAMES | {"default": []}, "columns of .parquet to copy, such as an id"),
    "--key": ({"metavar": "NAME"}, "array to take from an .npz file of several"),
    "--columns": (NAMES, "columns of a table to take"),
    "--drop": (NAMES | {"default": []}, "columns of a table to leave out"),
    "--labels": ({"metavar": "COLUMN|FILE"}, "classes, for colors or anchors"),
    "--weights": (
        {"metavar": "COLUMN|FILE"},
        "as how many points each counts, such as of merged equal rows",
    ),
    "--preset": ({"metavar": "paper|official"}, "published settings; need --labels"),
    "--checkpoint": (FOLDER, "go on with a training that was cut off, kept there"),
    "--n-clusters": (CLUSTERS, "unless --model has some"),
    "--forget-factor": (
        {"type": float, "default": 1.0, "metavar": "FLOAT"},
        "as how many points each earlier one counts [default: 1]",
    ),
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
    """Parses a command line. Files are checked first, as options generated from
    signatures of estimators are slow to import."""
    if {"-h", "--help"}.isdisjoint(given):
        arguments, unknown = new_parser().parse_known_args(given)
        known = given[: given.index(unknown[0])] if unknown else given
        # The value of an unknown option may have been taken for the points.
        if set(given_points(arguments)) <= set(map(Path, known)):
            check_files(arguments)
        if not unknown:
            return arguments
    arguments = new_parser(*given[:1]).parse_args(given)
    check_files(arguments)
    return arguments


def new_parser(command: str = "") -> ArgumentParser:
    """Returns the parser. It has the options generated from signatures of one command
    only."""
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
            choices = argument.split("|")
            is_one = len(choices) == 1
            group: Any = options
            if not is_one:
                group = options.add_mutually_exclusive_group(required=True)
            for choice in choices:
                settings, text = ARGUMENTS[choice]
                settings = settings if is_one else settings | {"required": False}
                group.add_argument(*choice.split("/"), help=text, **settings)
    if command in ("fit", "cluster"):
        from pyg_basis.cli._options import add_parameters

        options = commands.choices[command]
        usage = options.format_usage().removeprefix("usage: ").rstrip()
        options.usage = f"{usage} [parameter ...]"
        add_parameters(options, command)
    return parser
