"""Options generated from the signature of an estimator."""

import argparse
import re
from contextlib import suppress
from inspect import cleandoc, signature
from types import NoneType
from typing import Any, get_args, get_type_hints

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.estimators.basis_clustering import default_basis

# Text cannot express the first two, and --quiet replaces the last.
LEFT_OUT = {"basis", "network", "verbose"}
ALIASES = {"random_state": ["--seed"]}
SHOWN = {int: ["INT"], float: ["FLOAT"], str: ["TEXT"], NoneType: ["none"]}


def add_parameters(parser: argparse.ArgumentParser, command: str) -> None:
    """Adds the parameters of BASiS, with the defaults of ``fit`` or ``cluster``, and
    for the latter those of BASiSClustering."""
    if command == "fit":
        _add(parser.add_argument_group("parameters of BASiS"), BASiS(), LEFT_OUT)
        return
    _add(parser, BASiSClustering(), LEFT_OUT | {"n_clusters"})
    group = parser.add_argument_group("parameters of BASiS, without --model")
    _add(group, default_basis(2), LEFT_OUT | {"n_components", "random_state"})


def given(arguments: argparse.Namespace, estimator: type) -> dict[str, Any]:
    """Returns the parameters of an estimator that were given as options."""
    names = [name for name in signature(estimator).parameters if name in arguments]
    return {name: getattr(arguments, name) for name in names}


def _add(group: Any, estimator: Any, left_out: set[str]) -> None:
    """Adds an option for each parameter. Its type comes from the annotation, its help
    from the docstring, and its default from the estimator."""
    hints, texts = get_type_hints(type(estimator).__init__), _texts(type(estimator))
    for name in signature(type(estimator)).parameters:
        if name not in left_out:
            default = str(getattr(estimator, name)).lower()
            text = f"{texts.get(name, '')} [default: {default}]".replace("%", "%%")
            flags = [f"--{name.replace('_', '-')}", *ALIASES.get(name, [])]
            settings = {"type": _value, "metavar": "|".join(_values(hints[name]))}
            if hints[name] is bool:
                settings = {"action": argparse.BooleanOptionalAction}
            # Without a default, an attribute means that the option was given.
            group.add_argument(*flags, help=text, default=argparse.SUPPRESS, **settings)


def _values(hint: Any) -> list[str]:
    """Describes the values of a type."""
    if parts := get_args(hint):
        return [word for part in parts for word in _values(part)]
    return [hint] if isinstance(hint, str) else SHOWN.get(hint, [])


def _value(text: str) -> int | float | str | None:
    """Converts a text. Parameter constraints are checked later, all at once."""
    for number in (int, float):
        with suppress(ValueError):
            return number(text)
    return None if text.lower() == "none" else text


def _texts(estimator: type) -> dict[str, str]:
    """Returns the first sentence of each parameter in the docstring, as plain text."""
    section = cleandoc(estimator.__doc__ or "").partition("\nArgs:\n")[2]
    # Roles: :obj:`None` is None, :func:`~package.module.name` is name.
    section = re.sub(r":\w+:`(?:~[\w.]*\.)?([^`]*)`", r"\1", section)
    texts = re.findall(r"^ {4}(\w+) \(.*?\): (.*(?:\n {8}.*)*)", section, re.M)
    # A sentence ends before a space that no lowercase letter follows.
    end = re.compile(r"(?<=\.)\s(?=[^a-z.])|; ")
    return {name: end.split(" ".join(text.split()))[0] for name, text in texts}
