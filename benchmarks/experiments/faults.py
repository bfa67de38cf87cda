"""What is left when a command is killed, or finds the disk full.

Each trial starts fit, save, transform or cluster, ends it at a random moment, and looks
at what is there: no process of it runs on, no file of it is left behind, the file that
it was to replace is whole, and whoever read it meanwhile met a whole file. SIGINT goes
to the process and its workers, as a terminal sends it, the other signals to the process
alone. Nobody can tidy up after SIGKILL, nor after SIGTERM in a script that does not
handle it, as that of save: what is left then goes when the file is written the next
time. A disk that is full is a limit on the size of files.
"""

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import grouped, markdown_table
from benchmarks.lib.tasks import run_tasks
from pyg_basis import BASiS

LEARN = (
    "--batch-size 256 --n-anchors 60 --n-neighbors 15 --reference-size none "
    "--max-iter 40 --tol none --num-workers 2 --random-state 0"
)
SAVES = (
    "from pyg_basis import BASiS; model = BASiS.load('model.pt'); "
    "[model.save('out.pt') for _ in range(500)]"
)
NUM_POINTS, NUM_FEATURES = 100_000, 8
# Seconds that workers have to find out that their parent is gone.
PATIENCE = 20.0


class Action(NamedTuple):
    """A command that replaces the file ``output``."""

    command: list[str]
    output: str


def command_line(arguments: str) -> list[str]:
    return [sys.executable, "-m", "pyg_basis", *arguments.split()]


ACTIONS = {
    "fit": Action(command_line(f"fit points.npy -o out.pt --force {LEARN}"), "out.pt"),
    "save": Action([sys.executable, "-c", SAVES], "out.pt"),
    "transform": Action(
        command_line("transform model.pt points.npy -o out.npy --force"), "out.npy"
    ),
    "cluster": Action(
        command_line(f"cluster points.npy --n-clusters 3 -o out.npy --force {LEARN}"),
        "out.npy",
    ),
}
FULL = "full disk"
CAUSES = ("SIGKILL", "SIGTERM", "SIGINT", FULL)
INPUTS = ("points.npy", "model.pt")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=100, help="how many trials")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")


def main(options: argparse.Namespace) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder)
        names = [(action, cause) for action in ACTIONS for cause in CAUSES]
        names = names[: options.kills]
        actions = list(dict.fromkeys(action for action, _ in names))
        num_points = 10_000 if options.quick else NUM_POINTS
        durations = prepare(template, actions, num_points)
        rng = np.random.default_rng(options.seed)
        tasks = []
        for number in range(options.kills):
            action, cause = names[number % len(names)]
            # What comes before is the start of Python and of its libraries.
            moment = float(rng.uniform(0.3, 1.0))
            tasks.append((action, cause, moment, durations[action], template))
        runs = []
        for task, problems in run_tasks(trial, tasks, options.processes, "kills"):
            action, cause, moment, *_ = task
            runs.append(
                {
                    "action": action,
                    "cause": cause,
                    "moment": moment,
                    "problems": problems,
                }
            )
            if problems:
                print(f"{action}, {cause} at {moment:.2f}: {'; '.join(problems)}")
    settings = {"kills": options.kills, "seed": options.seed, "durations": durations}
    save(options, settings, {"runs": runs}, [options.seed])
    failed = sum(bool(run["problems"]) for run in runs)
    print(f"{len(runs) - failed} of {len(runs)} held")
    return f"{failed} trials did not hold" if failed else None


def prepare(folder: Path, actions: list[str], num_points: int) -> dict[str, float]:
    """Makes the files that all trials start from, with what each action writes, the
    fit first, and measures how long each takes."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(num_points, NUM_FEATURES)).astype(np.float32)
    np.save(folder / "points.npy", points + 4 * rng.integers(0, 3, (num_points, 1)))
    durations = {}
    for name in actions:
        command, output = ACTIONS[name]
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, stderr=subprocess.DEVNULL)
        durations[name] = time.perf_counter() - start
        (folder / output).rename(folder / name)
        if name == "fit":
            os.link(folder / name, folder / "model.pt")
    return durations


def trial(
    action: str, cause: str, moment: float, duration: float, template: Path
) -> list[str]:
    """Ends an action at a moment of its duration; what is wrong after that."""
    command, output = ACTIONS[action]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in INPUTS:
            os.link(template / file, folder / file)
        shutil.copyfile(template / action, folder / output)
        limit = int(moment * (template / action).stat().st_size)
        with tempfile.TemporaryFile(
            "w+"
        ) as report:  # a pipe is open as long as orphans
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=report,
                start_new_session=True,
                preexec_fn=partial(limit_file_size, limit) if cause == FULL else None,
            )
            problems = watch(process, cause, moment * duration, folder / output)
            report.seek(0)
            text = report.read()
        # The script of save is no command, which reports errors in one line; and an
        # interrupt may come while Python starts.
        if "Traceback" in text and action != "save" and cause != "SIGINT":
            problems.append(f"traceback: {text.strip().splitlines()[-1]}")
        if cause == "SIGKILL" or (action, cause) == ("save", "SIGTERM"):
            BASiS.load(folder / "model.pt").save(folder / output)
        return problems + left_over(process.pid, folder, {*INPUTS, output})


def limit_file_size(limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def watch(
    process: "subprocess.Popen[bytes]", cause: str, seconds: float, output: Path
) -> list[str]:
    """Reads the file over and over until the process has been ended; what is wrong
    with what was read, or with how it ended."""
    problems: list[str] = []
    end = time.perf_counter() + seconds
    while process.poll() is None and (cause == FULL or time.perf_counter() < end):
        problems += unreadable(output)
        time.sleep(0.02)
    if cause == "SIGINT" and process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    elif cause != FULL and process.poll() is None:
        process.send_signal(getattr(signal, cause))
    try:
        process.wait(6 * PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        problems.append("does not end")
    if cause == FULL and process.returncode == 0:
        problems.append("a full disk is not reported")
    return list(dict.fromkeys(problems + unreadable(output)))


def unreadable(output: Path) -> list[str]:
    """What is wrong with a file that is to be whole at any time."""
    try:
        if output.suffix == ".pt":
            BASiS.load(output)
        elif not np.isfinite(np.load(output)).all():
            return ["values that are not finite"]
    except Exception as error:
        return [f"not readable: {type(error).__name__}: {error}"]
    return []


def left_over(session: int, folder: Path, expected: set[str]) -> list[str]:
    """Processes of a session and files in a folder that ought to be gone."""
    problems = []
    end = time.perf_counter() + PATIENCE
    while (orphans := processes_of(session)) and time.perf_counter() < end:
        time.sleep(0.1)
    if orphans:
        problems.append(f"{len(orphans)} processes run on")
        os.killpg(session, signal.SIGKILL)
    files = {file.name for file in folder.iterdir()} - expected
    if files:
        problems.append(f"left behind: {', '.join(sorted(files))}")
    return problems


def processes_of(session: int) -> list[int]:
    """The processes of a session that are not zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[3] == str(session) and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def tables(folder: Path) -> dict[str, str]:
    runs = read_results(folder, "faults")["runs"]
    rows = []
    for (action,), of_action in grouped(runs, "action").items():
        row = {"action": action}
        for (cause,), some in grouped(of_action, "cause").items():
            held = sum(not run["problems"] for run in some)
            row[cause] = f"{held} of {len(some)}"
        rows.append(row)
    columns = {"action": "action", **{cause: cause for cause in CAUSES}}
    return {"faults": markdown_table(rows, columns)}
