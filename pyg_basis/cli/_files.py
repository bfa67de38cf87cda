import os
from argparse import Namespace
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

# And the packages that they need.
TABLES = {".csv": ["pandas"], ".tsv": ["pandas"], ".parquet": ["pandas", "pyarrow"]}
ROWS = (".npy", ".npz", *TABLES)
POINTS = (".pt", *ROWS)
MODELS = (".pt",)
# Options that name a column of the table, which is then no feature, or a file.
BESIDE = ("labels", "weights")
OUTPUTS = {"fit": MODELS, "plot": (".png", ".pdf", ".svg")}  # others write rows


def check_files(arguments: Namespace) -> None:
    """Raises an error if a file cannot be written, or one to be read is not there."""
    outputs = {"output": OUTPUTS.get(arguments.command, ROWS), "save_model": MODELS}
    for name, kinds in outputs.items():
        if path := getattr(arguments, name, None):
            option = f"--{name.replace('_', '-')}={str(path)!r}"
            _check_output(path, option, kinds, arguments.force)
    for name, kinds in {"model": MODELS, "points": POINTS}.items():
        if path := getattr(arguments, name, None):
            check_input(path, kinds)
    suffix = arguments.points.suffix.lower()
    options = {"key": [".npz"], "columns": TABLES, "drop": TABLES}
    for name, suffixes in options.items():
        if getattr(arguments, name) and suffix not in suffixes:
            raise ValueError(f"--{name} is for {' and '.join(suffixes)}: leave it out")
    for name in BESIDE:
        value = getattr(arguments, name, None)
        if value is not None and suffix not in TABLES:
            check_input(Path(value), ROWS, f"--{name}={value!r}")


def check_input(path: Path, kinds: Sequence[str], name: str = "") -> None:
    """Raises an error if no file of a known kind is there."""
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


def _check_kind(path: Path, name: str, kinds: Sequence[str]) -> None:
    suffix = path.suffix.lower()
    if suffix not in kinds:
        raise ValueError(f"{name} has the suffix {suffix!r}: use {' or '.join(kinds)}")
    for package in TABLES.get(suffix, []):
        if find_spec(package) is None:
            remedy = "which is not installed: pip install 'pyg-basis[tables]'"
            raise ImportError(f"{name} needs {package}, {remedy}")
