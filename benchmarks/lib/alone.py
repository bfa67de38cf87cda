"""One function in a process of its own: its memory and threads are nobody else's."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
THREAD_COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def environment(threads: int = 1) -> dict[str, str]:
    """The variables of a process of so many threads."""
    return {**os.environ, **dict.fromkeys(THREAD_COUNTS, str(threads))}


def run_alone(
    function: Callable[..., dict[str, Any]],
    *arguments: Any,
    threads: int = 1,
    limit: float | None = None,
    package: Path = ROOT,
) -> dict[str, Any]:
    """What a function returns, called in a process of its own.

    Args:
        function: A public function of a module; it returns JSON's types.
        arguments: Of JSON's types, and paths, which arrive as text.
        threads: Of that process.
        limit: Seconds after which it is ended.
        package: Folder that holds the `pyg_basis` to be measured.

    Returns:
        The function's figures; or the reason why there are none, as `gave_up`.
    """
    what = [function.__module__, function.__name__, json.dumps(arguments, default=str)]
    try:
        done = subprocess.run(
            [sys.executable, __file__, str(package), *what],
            capture_output=True,
            text=True,
            timeout=limit,
            env=environment(threads),
        )
    except subprocess.TimeoutExpired:
        return {"gave_up": f"not done in {limit:g} s"}
    if done.returncode < 0:
        return {"gave_up": "killed"}
    if done.returncode > 0:
        return {"gave_up": (done.stderr.strip().splitlines() or ["failed"])[-1]}
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main(package: str, module: str, name: str, arguments: str) -> None:
    sys.path[0] = str(ROOT)  # instead of this file's folder
    import torch
    from threadpoolctl import threadpool_limits

    import benchmarks  # noqa: F401  # of this checkout, whatever the package

    sys.path.insert(0, package)
    threads = int(os.environ[THREAD_COUNTS[0]])
    torch.set_num_threads(threads)
    threadpool_limits(threads)
    print(json.dumps(getattr(import_module(module), name)(*json.loads(arguments))))


if __name__ == "__main__":
    main(*sys.argv[1:])
