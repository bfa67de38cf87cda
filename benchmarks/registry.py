"""Every experiment: one entry a table or figure, with what they have in common."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from joblib import cpu_count

from benchmarks.lib.tasks import one_thread

RESULTS = Path(__file__).parent / "results"
# The output of smoke runs, which must not replace results.
SCRATCH = Path("runs/quick")
# Of a smoke run that takes less than the start of more processes.
ONE_PROCESS = ("--processes", "1")


class Experiment(NamedTuple):
    """One experiment: `experiments/<name>.py`, which writes to `results/<name>/`.

    The module has `main(options)`, which measures and writes a record and pictures, and
    returns what did not hold, where it is a check: the command fails then. Where needed
    it has `tables(folder)`, which makes the Markdown tables of what is
    recorded there, by their names, and `add_options(parser)`, with options of its own.

    Args:
        name: What it is called on the command line.
        about: What it shows, in a line.
        duration: About how long it takes.
        seeds: Runs of each setting; None where it has no seeds.
        needs_data: Whether it takes image sets or graphs.
        is_parallel: Whether it runs one process a core.
        all_threads: Whether its own process may have more than one thread.
        quick: The arguments of a smoke run, where not asked for otherwise.
    """

    name: str
    about: str
    duration: str
    seeds: int | None = None
    needs_data: bool = False
    is_parallel: bool = False
    all_threads: bool = False
    quick: tuple[str, ...] = ()

    @property
    def module(self) -> ModuleType:
        """Imported on first use: not every one is needed to name them all."""
        return import_module(f"benchmarks.experiments.{self.name}")

    def run(self, arguments: Sequence[str] | None = None) -> None:
        """Measures, and writes the record, its tables and pictures."""
        options = self.parse(arguments)
        options.output.mkdir(parents=True, exist_ok=True)
        if not self.all_threads:
            one_thread()
        fault = self.module.main(options)
        for text in self.write_tables(options.output):
            print(f"\n{text}")
        print(f"written to {options.output}")
        if fault:
            raise SystemExit(f"{self.name}: {fault}")

    def write_tables(self, folder: Path) -> list[str]:
        """Makes the tables anew from the record in a folder, if there is one."""
        if not hasattr(self.module, "tables") or not any(folder.glob("*.json")):
            return []
        texts: dict[str, str] = self.module.tables(folder)
        for name, text in texts.items():
            (folder / f"{name}.md").write_text(text, encoding="utf-8")
        return list(texts.values())

    def parse(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """The options; a smoke run has one seed and a folder of its own."""
        parser = argparse.ArgumentParser(
            prog=f"python -m benchmarks run {self.name}",
            description=self.module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add = parser.add_argument
        if self.needs_data:
            add_data_options(parser)
        if self.seeds is not None:
            add("--seeds", type=int, help=f"runs of each (default: {self.seeds})")
        if self.is_parallel:
            add("--processes", type=int, default=cpu_count(), help="at a time")
        place = RESULTS.relative_to(RESULTS.parents[1]) / self.name
        add("--output", type=Path, help=f"folder (default: {place})")
        add("--quick", action="store_true", help="a smoke run, whose figures mean "
            f"nothing (default folder: {SCRATCH / self.name})")  # fmt: skip
        if hasattr(self.module, "add_options"):
            self.module.add_options(parser)
        arguments = sys.argv[1:] if arguments is None else arguments
        options = parser.parse_args(arguments)
        if options.quick:
            options = parser.parse_args([*self.quick, *arguments])
        options.experiment = self.name
        if self.seeds is not None and options.seeds is None:
            options.seeds = 1 if options.quick else self.seeds
        if options.output is None:
            options.output = (SCRATCH if options.quick else RESULTS) / self.name
        for count in ("seeds", "processes"):
            if getattr(options, count, 1) < 1:
                parser.error(f"--{count} must be at least 1")
        return options


def add_data_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--data-root", type=Path, help="folder of the data sets; else downloaded")
    add("--cache-dir", type=Path, default=Path("cache"), help="of what is made of them")


LIST = (
    Experiment(
        "comparison",
        "every method on ten sets of points: how close, in what time (Table 1)",
        "20 minutes to an hour a set on two cores",
        seeds=3,
        needs_data=True,
        is_parallel=True,
        quick=(
            *("--sets", "sphere", *ONE_PROCESS),
            *("--methods", "basis", "kernels", "nystroem", "spectralnet"),
        ),
    ),
    Experiment(
        "learning_rates",
        "the learning rate of each trained rival, found on training images",
        "half an hour on two cores",
        needs_data=True,
        is_parallel=True,
        quick=("--datasets", "mnist", "--methods", "spectralnet", *ONE_PROCESS),
    ),
    Experiment(
        "robustness",
        "Fig. 4: all measures against the number of neighbors, on MNIST",
        "an hour on two cores",
        seeds=5,
        needs_data=True,
        is_parallel=True,
        quick=(
            *("--neighbors", "10", "50", *ONE_PROCESS),
            *("--methods", "basis", "spectralnet", "nystroem"),
        ),
    ),
    Experiment(
        "peers",
        "BASiS and the packages that people use today, on the same features",
        "20 minutes a seed",
        seeds=3,
        needs_data=True,
        quick=("--methods", "BASiS", "SpectralEmbedding", "SpectralClustering"),
    ),
    Experiment("toys", "Figs. 1 to 3: clusters of five toy sets", "2 minutes", seeds=3),
    Experiment(
        "manifolds", "distance to closed forms, circle and sphere", "3 minutes", seeds=3
    ),
    Experiment(
        "turntable",
        "Fig. 5: 2,000 pictures of a toy on a turntable, by 288,000 pixels",
        "10 minutes",
        seeds=3,
    ),
    Experiment("anchors", "outliers, by choice of the anchors", "3 minutes", seeds=3),
    Experiment(
        "scaling",
        "time, memory and distance by the number of points (to 10 million) and columns",
        "an hour",
        seeds=3,
        quick=("--points", "600", "--limit", "60"),
    ),
    Experiment(
        "joint",
        "Figs. 6 to 8: features and spectrum learned together, on MNIST",
        "half an hour a seed",
        seeds=3,
        needs_data=True,
        is_parallel=True,
        quick=ONE_PROCESS,
    ),
    Experiment(
        "moving_features",
        "drift of the reference over 10,000 updates, and what an update costs",
        "20 minutes",
        seeds=1,
    ),
    Experiment(
        "joint_cora",
        "a GCN on Cora, trained together with BASiS behind its features",
        "20 minutes",
        seeds=10,
        needs_data=True,
        is_parallel=True,
        quick=ONE_PROCESS,
    ),
    Experiment(
        "positional_encoding",
        "encodings of given graphs: speed, stability, nodes that come later",
        "20 minutes",
        seeds=3,
        needs_data=True,
    ),
    Experiment(
        "cold_start",
        "nodes without edges: in which space their neighbors are found (SPARC)",
        "20 minutes",
        seeds=10,
        needs_data=True,
    ),
    Experiment(
        "examples",
        "accuracy of a GCN and a graph transformer with each kind of encodings",
        "20 minutes",
        seeds=5,
        needs_data=True,
    ),
    Experiment(
        "step_cost",
        "what the parts of a training step cost, and other eigensolvers",
        "3 minutes",
        needs_data=True,
        quick=("--rounds", "2"),
    ),
    Experiment(
        "diffusion_maps",
        "diffusion maps (circle, molecule, cells), compared with other packages",
        "15 minutes",
        seeds=3,
        needs_data=True,
    ),
    Experiment(
        "doors",
        "what a fit costs when points come in by another door than an array",
        "20 minutes",
        needs_data=True,
        quick=("--rounds", "1"),
    ),
    Experiment(
        "faults",
        "what is left when a command is killed, or finds the disk full",
        "15 minutes on two cores",
        is_parallel=True,
        quick=("--kills", "4"),
    ),
    Experiment(
        "stream",
        "data that grow: updates of a fitted model compared with a new fit",
        "20 minutes on two cores",
        seeds=3,
        needs_data=True,
    ),
    Experiment(
        "resume",
        "trainings that are killed at a random moment and go on from a checkpoint",
        "5 minutes on two cores",
        is_parallel=True,
        quick=("--kills", "2", *ONE_PROCESS),
    ),
    Experiment(
        "ranks",
        "one fit in several processes, compared with one with as many batches in all",
        "20 minutes on two cores",
        seeds=3,
        quick=("--points", "4200"),
    ),
    Experiment(
        "shards",
        "10 million rows by 64 processes, some killed; rows a second; model sizes",
        "10 minutes on two cores",
        is_parallel=True,
        quick=("--rows", "2000", "--shards", "4", "--measured-rows", "2000"),
    ),
    Experiment(
        "gpu",
        "steps, fits and transforms on a GPU and on the CPU of its machine",
        "5 minutes",
        seeds=3,
        needs_data=True,
        all_threads=True,
        quick=(
            *("--batch-sizes", "512", "--rounds", "1", "--check", "1"),
            *("--workers", "1"),
        ),
    ),
    Experiment(
        "fuzz",
        "10,000 calls with good and odd inputs: answers, refusals and faults",
        "20 minutes on two cores",
        is_parallel=True,
        quick=ONE_PROCESS,
    ),
)
EXPERIMENTS = {experiment.name: experiment for experiment in LIST}
