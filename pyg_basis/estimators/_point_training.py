from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch_geometric.data import Data

from pyg_basis.estimators._batch_sizes import BatchSizes
from pyg_basis.estimators._source import class_codes, single_precision
from pyg_basis.estimators._training import new_layer
from pyg_basis.loader import AnchorLoader, FeatureSource, choose_anchors
from pyg_basis.nn import BASiSLayer
from pyg_basis.nn.degree_extension import DEGREE_SAMPLE

# Points that the outputs are made orthonormal on, at most. It costs a pass of the
# network and no graph, while second moments of fewer vary: on Fashion-MNIST those of
# 10,000 left 0.015 of d_perp on the test split, those of all 60,000 left 0.003.
ORTHONORMALIZATION_SAMPLE = 100_000


class Training(NamedTuple):
    """What a training needs: a layer ready for it, the batches, and the numbers of the
    points that its outputs are made orthonormal on."""

    layer: BASiSLayer
    batches: Iterable[Data]
    sample: NDArray[np.int64]
    sizes: BatchSizes


def point_training(
    estimator: Any, source: FeatureSource, y: ArrayLike | None, seed: int
) -> Training:
    """Prepares the training on batches whose graphs are made of the points' features.

    Raises:
        ValueError: If the points cannot be used with the estimator's parameters.
    """
    labels = class_codes(y, len(source)) if estimator.anchors == "per_class" else None
    sizes = BatchSizes.for_points(estimator, len(source))
    # Anchors, degrees and scales come from a sample of bounded size.
    num_sampled = min(max(sizes.reference_size, DEGREE_SAMPLE), len(source))
    rng = np.random.default_rng(seed)
    drawn = rng.choice(len(source), num_sampled, replace=False)
    sample = single_precision(source.__getitems__(drawn)).to(estimator.device)
    anchors = choose_anchors(
        sample,
        sizes.num_anchors,
        estimator.anchors,
        y=None if labels is None else torch.from_numpy(labels[drawn]),
        seed=seed,
    )
    layer = new_layer(estimator, source.num_features, sizes, seed)
    layer.init_reference(sample, anchors, sizes.reference_size, sizes.batch_size, seed)
    reference = layer.anchor_reference()
    n_workers = estimator.n_workers
    batches = AnchorLoader(
        source,
        reference.to("cpu") if n_workers > 0 else reference,
        batch_size=sizes.batch_size,
        num_batches=estimator.max_iter,
        anchor_index=torch.from_numpy(drawn)[layer.nodes[: sizes.num_anchors].cpu()],
        seed=seed,
        num_workers=n_workers,
        pin_memory=n_workers > 0 and "cuda" in str(estimator.device),
    )
    return Training(layer, batches, last_sample(len(source), rng), sizes)


def last_sample(num_points: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The numbers of the points that outputs are made orthonormal on, ascending, as
    files are read fastest."""
    size = min(ORTHONORMALIZATION_SAMPLE, num_points)
    return np.sort(rng.choice(num_points, size, replace=False))
