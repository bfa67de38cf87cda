"""Each recipe of docs/recipes.md, as it stands there, gives the rows of `transform`."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pyg_basis import BASiS

# Engines take seconds to start, and much longer while other tests run.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
NAMES = ["x0", "x1", "x2"]
# Ray counts the cores, which two actors would take alone on a machine of two.
FIRST_LINES = {"Ray Data": "import ray; ray.init(num_cpus=4, include_dashboard=False)"}
LAST_LINES = {
    "Other programs": "import numpy; numpy.save('out.npy', embedded)",
    "Hugging Face Hub": (
        "import numpy; numpy.save('out.npy', basis.transform(points)); "
        "assert type(basis) is HubBASiS"
    ),
}


def recipe(title: str) -> str:
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return section.partition("```python\n")[2].partition("```")[0]


@pytest.fixture
def rows(tmp_path: Path) -> np.ndarray:
    """The embedding of points, which are in an array and in files of unequal lengths,
    in the folder of the model."""
    points = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    basis = BASiS(3, n_anchors=16, batch_size=64, n_neighbors=8, max_iter=3)
    basis.set_params(random_state=0).fit(points).save(tmp_path / "model.pt")
    np.save(tmp_path / "points.npy", points)
    (tmp_path / "parts").mkdir()
    frame = pd.DataFrame(points, columns=NAMES).assign(id=range(300))
    for number, part in enumerate((frame[:100], frame[100:220], frame[220:])):
        part.to_parquet(tmp_path / f"parts/{number}.parquet")
    return basis.transform(points)


def run(title: str, folder: Path) -> None:
    """Runs a recipe in a process of its own: engines leave threads and settings."""
    lines = [
        FIRST_LINES.get(title, ""),
        "import numpy; points = numpy.load('points.npy')",
        recipe(title),
        LAST_LINES.get(title, ""),
    ]
    own = {
        "PYSPARK_PYTHON": sys.executable,
        "OMP_NUM_THREADS": "1",
        # Ray waits so long for its own processes: half a minute is short on a busy
        # machine.
        "RAY_raylet_start_wait_time_s": "300",
        "RAY_agent_register_timeout_ms": "300000",
    }
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "\n".join(lines)],
        cwd=folder,
        env={**os.environ, **own, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def of_tables(name: str) -> Callable[[Path], np.ndarray]:
    def read(folder: Path) -> np.ndarray:
        table = pd.read_parquet(folder / name).sort_values("id")
        assert table["id"].tolist() == list(range(300))
        return np.stack(table["embedding"].to_list())

    return read


def of_stack(folder: Path) -> np.ndarray:
    parts = (folder / "dask_out").glob("*.npy")
    return np.concatenate([np.load(path) for path in sorted(parts)])


def of_array(folder: Path) -> np.ndarray:
    return np.load(folder / "out.npy")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "package", "read"),
    [
        ("Ray Data", "ray", of_tables("ray_out")),
        ("Dask", "dask", of_stack),
        ("Spark", "pyspark", of_tables("spark_out")),
        ("Other programs", "onnxruntime", of_array),
        ("Hugging Face Hub", "huggingface_hub", of_array),
    ],
)
def test_recipes(
    title: str,
    package: str,
    read: Callable[[Path], np.ndarray],
    rows: np.ndarray,
    tmp_path: Path,
) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: it is in the extra 'engines'")
    if package == "pyspark" and shutil.which("java") is None:
        pytest.skip("Spark needs a Java runtime")
    run(title, tmp_path)
    found = read(tmp_path)
    assert re.search(rf"\b{package}\b", recipe(title))
    np.testing.assert_allclose(found, rows, rtol=0, atol=1e-6)


def test_every_recipe_is_tested() -> None:
    titles = re.findall(r"^## (.*)$", PAGE, flags=re.MULTILINE)
    named = Path(__file__).read_text(encoding="utf-8")
    assert len(titles) == 6
    for title in titles:
        assert f'"{title}", "' in named or recipe(title) == ""
