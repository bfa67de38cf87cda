"""Memory does not grow with the number of points."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array, save_npz
from torch_geometric.data import Data

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs /proc"
)

# What a process of its own holds without the files it maps, at most: for the first
# source, and how much more for each of the others. The smaller of two runs each, as
# threads that meet by chance can cost the allocator tens of megabytes, which it keeps.
MEASURE = """
import sys
import threading
import time

import numpy as np
import scipy.sparse
import torch

import pyg_basis.data.projected_rows
import pyg_basis.estimators._point_training
from pyg_basis import BASiS


def megabytes():
    with open("/proc/self/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return int(lines["RssAnon"].split()[0]) / 1024


def watch():
    global peak
    while True:
        peak = max(peak, megabytes())
        time.sleep(0.001)


def fit(x):
    # Quicker, and as bounded.
    pyg_basis.estimators._point_training.DEGREE_SAMPLE = 1000
    pyg_basis.estimators._point_training.MOST_NODES = 6000
    pyg_basis.data.projected_rows.MOST_KEPT = 1000
    basis = BASiS(n_anchors=30, batch_size=100, n_neighbors=10, max_iter=3)
    basis.set_params(reference_size=1000, random_state=0).fit(x)


def copy(x):
    np.load(x).astype(np.float32)


peak = 0
threading.Thread(target=watch, daemon=True).start()
first = None
for kind, path in zip(sys.argv[2::2], sys.argv[3::2]):
    x = np.load(path, mmap_mode="r") if kind == "map" else path
    x = scipy.sparse.load_npz(path) if kind == "sparse" else x
    peaks = []
    for _ in range(2):
        peak = megabytes()
        globals()[sys.argv[1]](x)
        peaks.append(peak)
    first = first or min(peaks)
    print(min(peaks) - first)
"""


def growth(action: str, *sources: tuple[str, Path]) -> list[float]:
    """Megabytes by which the peaks of the later sources exceed that of the first."""
    arguments = [str(part) for source in sources for part in source]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MEASURE, action, *arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [float(line) for line in done.stdout.split()][1:]


def points(num_blocks: int) -> np.ndarray:
    block = np.random.default_rng(0).integers(256, size=(10_000, 100), dtype=np.uint8)
    return np.tile(block, (num_blocks, 1))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("files")
    np.save(folder / "few.npy", points(2))
    np.save(folder / "many.npy", points(100))  # 100 MB, 400 MB as floats
    torch.save(Data(x=torch.from_numpy(points(100))), folder / "many.pt")
    torch.save(torch.from_numpy(points(100)).bfloat16(), folder / "bfloat16.pt")
    return folder


def test_a_copy_would_be_seen(files: Path) -> None:
    (most,) = growth("copy", ("path", files / "few.npy"), ("path", files / "many.npy"))
    assert most > 300


def test_fit(files: Path) -> None:
    more = growth(
        "fit",
        ("path", files / "few.npy"),
        ("path", files / "many.npy"),
        ("map", files / "many.npy"),
        ("path", files / "many.pt"),
        ("path", files / "bfloat16.pt"),
    )
    assert len(more) == 4
    assert max(more) < 80  # a copy takes 100 or 200, as floats 400


@pytest.mark.slow
def test_fit_of_wide_features(tmp_path: Path) -> None:
    for name, size in (("few", 5_000), ("many", 30_000)):
        rng = np.random.default_rng(0)
        wide = rng.integers(256, size=(size, 4097), dtype=np.uint8)
        np.save(tmp_path / f"{name}.npy", wide)
    (more,) = growth(
        "fit", ("path", tmp_path / "few.npy"), ("path", tmp_path / "many.npy")
    )
    assert more < 80  # a copy takes 120, as floats 490, projected 250


def test_sparse_points_are_dense_for_some_rows_only(tmp_path: Path) -> None:
    for name, num_blocks in (("few", 2), ("many", 100)):
        x = points(num_blocks)
        x[x < 250] = 0
        save_npz(tmp_path / f"{name}.npz", csr_array(x.astype(np.float32)))
    few, many = (("sparse", tmp_path / f"{name}.npz") for name in ("few", "many"))
    (more,) = growth("fit", few, many)
    assert more < 120  # 23 MB themselves, as dense floats 400
