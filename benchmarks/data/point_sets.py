"""The points that methods are compared on: what they learn from, new points, and the
columns that are to be learned at these.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.data.alanine import load_alanine
from benchmarks.data.image_features import load_features
from benchmarks.data.load_images import load_images
from benchmarks.data.manifolds import torus, torus_eigenfunctions, turned
from benchmarks.data.word_vectors import FILE_NAME, load_word_vectors
from benchmarks.lib.evaluation import FeatureSplit
from benchmarks.lib.exact import exact_space
from benchmarks.lib.methods import NUM_COMPONENTS
from pyg_basis.datasets import sphere, sphere_eigenfunctions
from pyg_basis.graph.laplacian import LaplacianKind

NUM_NEIGHBORS = 50
NUM_NEW = 10_000
NUM_DRAWN = 60_000
# Of a smoke run.
FEW, FEW_NEW = 3_000, 1_000
# Beyond the columns that are learned, to show the gap.
NUM_BEYOND = 5
SEED = 1_000_000


class Source(NamedTuple):
    """Where the data sets are, and whether it is a smoke run."""

    data_root: Path | None
    cache_dir: Path
    quick: bool


class PointSet(NamedTuple):
    """Points to learn from and new ones, the columns that are to be learned at the new
    ones, and the first eigenvalues of their own graph and its degrees."""

    data: FeatureSplit
    exact: Tensor
    eigenvalues: Tensor
    degree: Tensor
    laplacian: LaplacianKind

    @property
    def num_columns(self) -> int:
        return self.exact.size(1)

    @property
    def gap(self) -> float:
        """The first eigenvalue that is left out, as a multiple of the last one."""
        last, following = self.eigenvalues[self.num_columns - 1 :][:2].tolist()
        return following / last


class Description(NamedTuple):
    """What a set is called, what its features are and have learned from, and how it is
    made."""

    title: str
    about: str
    make: Callable[[Source], PointSet]


def point_set(
    data: FeatureSplit,
    laplacian: LaplacianKind = "rw",
    num_columns: int = NUM_COMPONENTS,
    exact: Tensor | None = None,
) -> PointSet:
    """Measured at the eigenvectors of the new points' own graph, if there is no closed
    form."""
    num_columns = num_columns if exact is None else exact.size(1)
    rows = exact_space(num_columns + NUM_BEYOND, NUM_NEIGHBORS, laplacian)(data.x_test)
    exact = rows.vectors[:, :num_columns] if exact is None else exact
    return PointSet(data, exact, rows.values, rows.degree, laplacian)


def siamese(name: str, source: Source) -> PointSet:
    return point_set(load_features(name, *source), "sym")


def pixels(name: str, source: Source) -> PointSet:
    split = load_images(name, source.data_root, source.cache_dir)
    few, few_new = (FEW, FEW_NEW) if source.quick else (None, None)
    x, x_new = (
        images.flatten(1).float() / 255
        for images in (split.x_train[:few], split.x_test[:few_new])
    )
    y, y_new = split.y_train[:few], split.y_test[:few_new]
    return point_set(FeatureSplit(x, y, x_new, y_new))


def words(source: Source) -> PointSet:
    folders = [source.data_root or source.cache_dir, source.cache_dir]
    path = next((f / FILE_NAME for f in folders if (f / FILE_NAME).exists()), None)
    if path is None:
        raise FileNotFoundError(f"{FILE_NAME} must be in --data-root or --cache-dir")
    vectors = load_word_vectors(path, source.cache_dir)
    return drawn(F.normalize(torch.from_numpy(vectors)), source.quick)


def alanine(source: Source) -> PointSet:
    if source.data_root is None:
        raise FileNotFoundError("the molecule needs --data-root with alanine.npz")
    frames = load_alanine(source.data_root).x
    return drawn(frames, source.quick, num_columns=5)


def drawn(x: Tensor, quick: bool, num_columns: int = NUM_COMPONENTS) -> PointSet:
    """Some of the points are held out, at random."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(SEED))
    num_new = FEW_NEW if quick else NUM_NEW
    kept = order[num_new:][: FEW if quick else None]
    data = FeatureSplit(x[kept], None, x[order[:num_new]], None)
    return point_set(data, num_columns=num_columns)


def of_sphere(source: Source) -> PointSet:
    x, x_new = two_samples(sphere, source.quick)
    data = FeatureSplit(turned(x, 5), None, turned(x_new, 5), None)
    return point_set(data, exact=sphere_eigenfunctions(x_new, 2))


def of_torus(source: Source) -> PointSet:
    x, x_new = two_samples(torus, source.quick)
    data = FeatureSplit(x, None, x_new, None)
    return point_set(data, exact=torus_eigenfunctions(x_new))


def two_samples(draw: Callable[..., Tensor], quick: bool) -> tuple[Tensor, Tensor]:
    num, num_new = (FEW, FEW_NEW) if quick else (NUM_DRAWN, NUM_NEW)
    return draw(num, seed=0), draw(num_new, seed=SEED)


SIAMESE = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "svhn": "SVHN, a small part",
    "cifar10": "CIFAR-10, JPEG-coded",
}
POINT_SETS = {
    **{
        name: Description(
            f"{title}, siamese features",
            "16 features that **learned from the labels** of the training images",
            partial(siamese, name),
        )
        for name, title in SIAMESE.items()
    },
    "mnist_pixels": Description(
        "MNIST, pixels", "784 gray values; no label", partial(pixels, "mnist")
    ),
    "fashion_mnist_pixels": Description(
        "Fashion-MNIST, pixels",
        "784 gray values; no label",
        partial(pixels, "fashion_mnist"),
    ),
    "words": Description(
        "Word vectors",
        "341,479 of 100 dimensions, compared by the cosine; no label",
        words,
    ),
    "alanine": Description(
        "Alanine dipeptide",
        "frames of molecular dynamics, 45 distances each; no label",
        alanine,
    ),
    "sphere": Description("Sphere", "In 16 dimensions; closed form", of_sphere),
    "torus": Description(
        "Torus of four angles", "In 8 dimensions; closed form", of_torus
    ),
}
