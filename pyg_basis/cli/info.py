import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pyg_basis.cli import _options as options
from pyg_basis.cli._reported import reported

EXAMPLES = """\b
Examples:
  pyg-basis info model.pt
  pyg-basis info points.npy --json
"""


def info(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A model or points.", show_default=False),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON, for programs.")
    ] = False,
    key: options.Key = None,
    columns: options.Columns = None,
    traceback: options.Traceback = False,
) -> None:
    """Tell what is in a file: how a model was fitted, or the shape and the range of
    points, and what is missing in them."""
    with reported(traceback):
        from pyg_basis.cli._facts import facts_of_model, facts_of_points
        from pyg_basis.cli._model_file import is_model, read_model
        from pyg_basis.cli._points import read_points

        facts = (
            facts_of_model(read_model(file))
            if is_model(file)
            else facts_of_points(read_points(file, key, columns))
        )
        typer.echo(json.dumps(facts, indent=2) if as_json else _as_text(facts))


def _as_text(facts: dict[str, Any], indent: str = "") -> str:
    width = max(map(len, facts))
    lines = []
    for name, value in facts.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", _as_text(value, indent + "  ")]
        else:
            values = value if isinstance(value, list) else [value]
            text = ", ".join(map(_short, values)) or "none"
            lines.append(f"{indent}{name:<{width}}  {text}")
    return "\n".join(lines)


def _short(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
