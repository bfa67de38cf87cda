"""The parts of a set that one process embeds, and their output files."""

import json
from argparse import ArgumentError, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any, NamedTuple

from pyg_basis._atomic_file import atomic_file

# The settings of the parts in a folder. Readers of a folder of tables ignore names with
# this prefix.
SETTINGS = "_transform.json"


class Part(NamedTuple):
    """A file of points, and the file for their rows."""

    points: Path
    output: Path


def shard(text: str) -> tuple[int, int]:
    """Parses the number of a shard, from 1, and the number of shards."""
    number, _, count = text.partition("/")
    are_numbers = number.isdecimal() and count.isdecimal()
    if not are_numbers or not 1 <= int(number) <= int(count):
        raise ArgumentTypeError(f"{text!r} is none: of 64 give 1/64, 2/64, ..., 64/64")
    return int(number), int(count)


def parts_of(arguments: Namespace) -> list[Part]:
    """Returns the parts of a shard: every n-th in the order of names. So shard sizes
    differ by at most one part, in whatever order a shell lists files."""
    if arguments.output_dir is None:
        if len(arguments.parts) > 1 or arguments.shard is not None:
            message = "--output is for one file of points: give --output-dir instead"
            raise ArgumentError(None, message)
        return [Part(arguments.parts[0], arguments.output)]
    if arguments.force:
        message = "--force: remove what is to be written anew from --output-dir instead"
        raise ArgumentError(None, message)
    folder = arguments.output_dir
    parts: dict[str, Part] = {}
    for path in arguments.parts:
        name = f"{path.stem}.npy" if path.suffix.lower() == ".pt" else path.name
        if name in parts:
            both = f"{str(parts[name].points)!r} and {str(path)!r}"
            raise ValueError(f"{both} would both become {name!r}: rename one of them")
        parts[name] = Part(path, folder / name)
        if path.suffix.lower() != (first := arguments.parts[0]).suffix.lower():
            both = f"{str(first)!r} and {str(path)!r}"
            raise ValueError(f"{both} are of two kinds: give parts of one kind")
        if path.resolve() == parts[name].output.resolve():
            option = f"--output-dir={str(folder)!r}"
            raise ValueError(f"{option} is where the parts are: choose another folder")
    number, count = arguments.shard or (1, 1)
    return [parts[name] for name in sorted(parts)][number - 1 :: count]


def keep_settings(folder: Path, settings: dict[str, Any], parts: list[Part]) -> None:
    """Creates the folder, and stores the settings of its parts there.

    Raises:
        ValueError: If it contains parts with other settings.
    """
    folder.mkdir(exist_ok=True)
    path = folder / SETTINGS
    there = [part.output for part in parts if part.output.exists()]
    if not path.exists() and not there:
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(settings, indent=2) + "\n", "utf-8")
    if not path.exists() or json.loads(path.read_text("utf-8")) != settings:
        raise ValueError(
            f"--output-dir={str(folder)!r} has parts of another model or of other "
            f"columns: choose another folder, or remove this one"
        )
