from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.estimators._batch_sizes import BatchSizes
from pyg_basis.estimators._source import class_codes, single_precision
from pyg_basis.estimators._training import new_layer
from pyg_basis.loader import AnchorLoader, FeatureSource, choose_anchors
from pyg_basis.nn import BASiSLayer
from pyg_basis.nn.degree_extension import DEGREE_SAMPLE


class Training(NamedTuple):
    """What a training needs: a layer ready for it, the batches, and a sample of the
    features ``[n, d]`` that its outputs are made orthonormal on."""

    layer: BASiSLayer
    batches: Iterable[Data]
    sample: Tensor
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
        anchor_index=torch.from_numpy(drawn)[anchors.cpu()],
        seed=seed,
        num_workers=n_workers,
        pin_memory=n_workers > 0 and "cuda" in str(estimator.device),
    )
    return Training(layer, batches, sample, sizes)
