"""Requirements of a distributed training on its processes."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pyg_basis._ranks import Ranks
from pyg_basis.data import FeatureSource

if TYPE_CHECKING:
    from pyg_basis.estimators.basis import BASiS

logger = logging.getLogger("pyg_basis")

OF_POINTS = ("shape of X", "rows of X")
# Entries that may differ between ranks, or of which rank 0's counts.
OF_EACH_RANK = {"device", "random_state", *OF_POINTS}


def agreed(
    ranks: Ranks,
    estimator: "BASiS",
    source: FeatureSource,
    fingerprint: dict[str, str],
    checkpoint: str | Path | None,
) -> tuple[dict[str, str], bool]:
    """Returns the common fingerprint of a training in several ranks, and whether each
    has its own points.

    Raises:
        ValueError: In all ranks, if their parameters differ, or shards are invalid.
    """
    columns = list(getattr(estimator, "feature_names_in_", ()))
    own = fingerprint | {"columns": str(columns), "checkpoint": str(checkpoint)}
    first, *others = of_ranks = ranks.gather(own)
    is_sharded = any(each[name] != first[name] for name in OF_POINTS for each in others)
    if "edges" in own:
        raise ValueError(
            "a given graph is learned in one process: fit it before the process group "
            "is initialized, or without torchrun"
        )
    lengths = ranks.gather(len(source))
    if is_sharded:
        _check_shards(ranks, estimator, source, lengths, own)
    for rank, each in enumerate(of_ranks):
        for name in sorted((first | each).keys() - OF_EACH_RANK):
            if each.get(name) != first.get(name):
                raise ValueError(
                    f"rank {rank} has {name}={each.get(name)} and rank 0 has "
                    f"{first.get(name)}: fit with the same in all {ranks.size} ranks"
                )
    if is_sharded and ranks.is_first:
        num_points = sum(lengths)
        logger.info("each rank has points of its own, %d in all", num_points)
    joined = {name: ", ".join(each[name] for each in of_ranks) for name in OF_POINTS}
    common = fingerprint | (joined if is_sharded else {})
    return common | {"ranks": str(ranks.size)}, is_sharded


def _check_shards(
    ranks: Ranks,
    estimator: "BASiS",
    source: FeatureSource,
    lengths: list[int],
    own: dict[str, str],
) -> None:
    for name in sorted({"y", "sample_weight"} & own.keys()):
        raise ValueError(
            f"{name} is of all points, but each rank has others: give all ranks the "
            f"same X and {name}"
        )
    widths = ranks.gather(source.num_features)
    if len(set(widths)) > 1:
        raise ValueError(
            f"the ranks have points of {widths} features: give all the same ones"
        )
    if min(lengths) < estimator.batch_size:
        raise ValueError(
            f"rank {lengths.index(min(lengths))} has {min(lengths)} points, fewer than "
            f"batch_size={estimator.batch_size}: give each rank as many, or all the "
            f"same X"
        )
