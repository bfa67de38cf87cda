"""The command ``pyg-basis``: one file a command, and what they share."""

from typing import Annotated

import typer

from pyg_basis.cli import cluster, fit, info, plot, transform

COMMANDS = (fit, transform, cluster, info, plot)  # modules, named as the commands
EXAMPLES = """\b
Examples, each a step on from the one before:
  python -c "import numpy; numpy.save('points.npy', numpy.random.rand(5000, 3))"
  pyg-basis fit points.npy --output model.pt --n-components 5 --laplacian rw
  pyg-basis transform model.pt points.npy --output embedding.npy
  pyg-basis cluster points.npy --model model.pt --n-clusters 4 --output labels.npy
  pyg-basis plot embedding.npy --labels labels.npy --axes 2 3 --output picture.png
  pyg-basis info model.pt

Exit status: 0 done, 1 the data or a file cannot be used, 2 wrong usage,
130 interrupted.
"""

app = typer.Typer(
    name="pyg-basis",
    help="Spectral embeddings, learned once and applied to any new point.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    # Plain text, which can be pasted, and which needs no slow import.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for module in COMMANDS:
    command = getattr(module, module.__name__.rpartition(".")[2])
    app.command(epilog=module.EXAMPLES, no_args_is_help=True)(command)


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        from pyg_basis import __version__

        typer.echo(f"pyg-basis {__version__}")
        raise typer.Exit()


@app.callback()
def _shared(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Tell the version."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Runs the command line of this process."""
    app()
