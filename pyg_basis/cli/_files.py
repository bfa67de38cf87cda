import os
from argparse import Namespace
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from pyg_basis.cli._shards import parts_of

# File types, and the packages that they need.
TABLES = {".csv": ["pandas"], ".tsv": ["pandas"], ".parquet": ["pandas", "pyarrow"]}
ROWS = (".npy", ".npz", *TABLES)
POINTS = (".pt", *ROWS)
MODELS = (".pt",)
# Options with one value per point. They name a column of the table, which then is not
# a feature, or a file.
PER_POINT = ("labels", "weights")
PICTURES = (".png", ".pdf", ".svg")
OUTPUTS = {"fit": MODELS, "update": MODELS, "plot": PICTURES}  # others write rows


def check_files(arguments: Namespace) -> None:
    """Raises an error if a file cannot be written, or an input file does not exist."""
    outputs = {"output": OUTPUTS.get(arguments.command, ROWS), "save_model": MODELS}
    for name, kinds in outputs.items():
        if path := getattr(arguments, name, None):
            option = f"--{name.replace('_', '-')}={str(path)!r}"
            _check_output(path, option, kinds, arguments.force)
    if path := getattr(arguments, "output_dir", None):
        _check_folder(path)
    if path := getattr(arguments, "model", None):
        check_input(path, MODELS)
    points = given_points(arguments)
    is_shard = arguments.command == "transform"
    for path in [part.points for part in parts_of(arguments)] if is_shard else points:
        check_input(path, POINTS)
    suffix = points[0].suffix.lower()
    options = {"key": [".npz"], "columns": TABLES, "drop": TABLES, "keep": [".parquet"]}
    for name, suffixes in options.items():
        if getattr(arguments, name, None) and suffix not in suffixes:
            raise ValueError(f"--{name} is for {' and '.join(suffixes)}: leave it out")
    output = getattr(arguments, "output", None)
    if getattr(arguments, "keep", None) and output and output.suffix != ".parquet":
        raise ValueError("--keep needs an --output of .parquet: leave it out")
    for name in PER_POINT:
        value = getattr(arguments, name, None)
        if value is not None and suffix not in TABLES:
            check_input(Path(value), ROWS, f"--{name}={value!r}")


def given_points(arguments: Namespace) -> list[Path]:
    """Returns the file of points, or all of them."""
    return getattr(arguments, "parts", None) or [arguments.points]


def check_input(path: Path, kinds: Sequence[str], name: str = "") -> None:
    """Raises an error unless a file of a known type exists."""
    name = name or repr(str(path))
    if not path.is_file():
        raise FileNotFoundError(f"{name} is no file: check the path")
    _check_kind(path, name, kinds)
    if path.stat().st_size == 0:
        raise ValueError(f"{name} is empty, it has 0 bytes: write it anew")


def _check_output(path: Path, name: str, kinds: Sequence[str], force: bool) -> None:
    _check_kind(path, name, kinds)
    if not path.parent.is_dir():
        raise ValueError(f"{name}: make the folder {str(path.parent)!r} first")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{name}: choose a folder that you may write to")
    if path.is_dir() or (path.exists() and not force):
        remedy = "choose another name, or replace a file with --force"
        raise FileExistsError(f"{name} exists: {remedy}")


def _check_folder(path: Path) -> None:
    name = f"--output-dir={str(path)!r}"
    if not path.parent.is_dir():
        raise ValueError(f"{name}: make the folder {str(path.parent)!r} first")
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"{name} is no folder: choose another name")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise PermissionError(f"{name}: choose a folder that you may write to")


def _check_kind(path: Path, name: str, kinds: Sequence[str]) -> None:
    suffix = path.suffix.lower()
    if suffix not in kinds:
        raise ValueError(f"{name} has the suffix {suffix!r}: use {' or '.join(kinds)}")
    for package in TABLES.get(suffix, []):
        if find_spec(package) is None:
            remedy = "which is not installed: pip install 'pyg-basis[tables]'"
            raise ImportError(f"{name} needs {package}, {remedy}")
