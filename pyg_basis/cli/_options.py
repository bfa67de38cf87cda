"""Options that are made from the signature of an estimator."""

import argparse
import re
from inspect import cleandoc, signature
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.estimators.basis_clustering import default_basis

# Text cannot give the first two, and --quiet stands for the last.
LEFT_OUT = {"basis", "network", "verbose"}
ALIASES = {"random_state": ["--seed"]}
SHOWN = {int: "INT", float: "FLOAT", str: "TEXT", NoneType: "none"}


def add_to_fit(parser: argparse.ArgumentParser) -> None:
    """Adds the parameters of BASiS."""
    _add(parser.add_argument_group("parameters of BASiS"), BASiS(), LEFT_OUT)


def add_to_cluster(parser: argparse.ArgumentParser) -> None:
    """Adds the parameters of BASiSClustering, and those of the BASiS it learns."""
    _add(parser, BASiSClustering(), LEFT_OUT | {"n_clusters"})
    group = parser.add_argument_group("parameters of BASiS, without --model")
    _add(group, default_basis(2), LEFT_OUT | {"n_components", "random_state"})


def given(arguments: argparse.Namespace, estimator: type) -> dict[str, Any]:
    """The parameters of an estimator that were given as options."""
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
            option = group.add_argument(*flags, help=text, **_kind(hints[name]))
            option.default = argparse.SUPPRESS  # so that what is there was given


def _kind(hint: Any) -> dict[str, Any]:
    """How an option reads values of this type."""
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    words = [w for kind in kinds if get_origin(kind) is Literal for w in get_args(kind)]
    shown = "|".join(words + [SHOWN[kind] for kind in kinds if kind in SHOWN])

    def value(text: str) -> Any:
        if NoneType in kinds and text.lower() == "none":
            return None
        for number in (int, float):
            try:
                if number in kinds:
                    return number(text)
            except ValueError:
                pass
        # Which words are allowed is checked with all other parameters.
        if words or str in kinds:
            return text
        raise argparse.ArgumentTypeError(f"{text!r} cannot be used: give {shown}")

    return {"type": value, "metavar": shown}


def _texts(estimator: type) -> dict[str, str]:
    """The beginning of what the docstring says on each parameter, as plain text."""
    section = cleandoc(estimator.__doc__ or "").partition("\nArgs:\n")[2]
    texts = {}
    for name, text in re.findall(
        r"^ {4}(\w+) \(.*?\): (.*(?:\n {8}.*)*)", section, re.M
    ):
        # Roles: :obj:`None` is None, :func:`~package.module.name` is name.
        text = re.sub(r":\w+:`(?:~[\w.]*\.)?([^`]*)`", r"\1", " ".join(text.split()))
        # A sentence ends before a space that no lowercase letter follows.
        texts[name] = re.split(r"(?<=\.)\s(?=[^a-z.])|; ", text)[0]
    return texts
