from argparse import Namespace
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from pyg_basis import BASiS, BASiSClustering
from pyg_basis._atomic_file import atomic_file
from pyg_basis.estimators._checkpoint import is_checkpoint, read_clusters

TABLES = {".csv": ["pandas"], ".parquet": ["pandas", "pyarrow"]}  # and what they need
ROWS = (".npy", ".npz", *TABLES)
MODELS = (".pt",)
PICTURES = (".png", ".pdf", ".svg")


def existing_file(path: Path, kinds: Collection[str]) -> None:
    """Raises an error if no file of a known kind is there."""
    if not path.is_file():
        raise FileNotFoundError(f"{str(path)!r} is no file: check the path")
    _check_kind(path, repr(str(path)), kinds)


@contextmanager
def new_file(
    arguments: Namespace, option: str, kinds: Collection[str]
) -> Iterator[Any]:
    """Yields where to write the file that an option names, if it is given. The file
    appears when all has gone well. What stands in its way is raised before any work."""
    path = getattr(arguments, option)
    if path is None:
        yield None
        return
    name = f"--{option.replace('_', '-')}={str(path)!r}"
    _check_kind(path, name, kinds)
    if not path.parent.is_dir():
        raise ValueError(f"{name}: make the folder {str(path.parent)!r} first")
    if path.is_dir() or (path.exists() and not arguments.force):
        raise FileExistsError(
            f"{name} exists: choose another name, or replace a file with --force"
        )
    with atomic_file(path) as temporary:
        yield temporary


def _check_kind(path: Path, name: str, kinds: Collection[str]) -> None:
    suffix = path.suffix.lower()
    if suffix not in kinds:
        raise ValueError(f"{name} has the suffix {suffix!r}: use {' or '.join(kinds)}")
    for package in TABLES.get(suffix, []):
        try:
            import_module(package)
        except ImportError as error:
            extra = "which is not installed: pip install 'pyg-basis[tables]'"
            raise ImportError(f"{name} needs {package}, {extra}") from error


def write_rows(
    path: Path, name: str, blocks: Iterable[Any], num_rows: int, columns: Sequence[str]
) -> None:
    """Writes blocks of rows, ``[m, K]`` or ``[m]``. An .npy file grows block by block,
    the other kinds are written from memory."""
    suffix, start, file = path.suffix.lower(), 0, None
    if suffix == ".npy":
        for block in blocks:
            if file is None:
                shape = (num_rows, *block.shape[1:])
                file = np.lib.format.open_memmap(path, "w+", block.dtype, shape)
            file[start : start + len(block)] = block
            start += len(block)
    elif suffix == ".npz":
        arrays: dict[str, Any] = {name: np.concatenate(list(blocks))}
        with open(path, "wb") as opened:  # np.savez would append its own suffix
            np.savez(opened, **arrays)
    else:
        from pandas import DataFrame

        rows = np.concatenate(list(blocks)).reshape(num_rows, -1)
        table = DataFrame(rows, columns=list(columns))
        (table.to_csv if suffix == ".csv" else table.to_parquet)(path, index=False)


def is_model(path: Path) -> bool:
    """Whether a file holds a model and not points."""
    return path.suffix.lower() in MODELS and is_checkpoint(path)


def read_model(path: Path) -> tuple[BASiS, BASiSClustering | None]:
    """The embedding in a file, and the clusters in it, where some were saved."""
    existing_file(path, MODELS)
    if read_clusters(path) is None:
        return BASiS.load(path), None
    clustering = BASiSClustering.load(path)
    return clustering.basis_, clustering
