"""Milliseconds of a training step in one place and another, for the
experiment gpu."""

import argparse
import copy
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from benchmarks.data.feature_sets import FeatureSet
from benchmarks.lib.exact import NORMALIZED
from pyg_basis import BASiSLayer
from pyg_basis.data import AnchorLoader

NUM_ANCHORS = 250
# Nodes whose degrees the layers learn, at most.
NUM_SAMPLED = 10_000
# Nodes of a round, but for the steps there are at least.
NODES_OF_A_ROUND = 20_000
LEAST_STEPS = 2


class Place(NamedTuple):
    """Where a step is done: the name of the device, and the host's threads."""

    device: str
    threads: int

    def __str__(self) -> str:
        if self.device != "cpu":
            return self.device
        return f"cpu, {self.threads} thread" + "s" * (self.threads > 1)


def compared(
    points: FeatureSet, size: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Milliseconds of a step in each place, and what the targets differ by."""
    x, num_eigenvectors, num_neighbors = points
    layer = BASiSLayer(
        x.size(1),
        num_eigenvectors,
        num_anchors=NUM_ANCHORS,
        num_neighbors=num_neighbors,
        **NORMALIZED,
    )
    layer.init_reference(x[:NUM_SAMPLED], reference_size=min(size, NUM_SAMPLED))
    threads = torch.get_num_threads()
    places = dict.fromkeys(
        (Place("cpu", 1), Place("cpu", threads), Place(options.device, threads))
    )
    layers = {place: copy.deepcopy(layer).to(place.device) for place in places}
    found = agreement(
        points.x, size, layer, layers[Place(options.device, threads)], options.check
    )
    num_nodes = 0 if options.quick else NODES_OF_A_ROUND
    num_steps = max(num_nodes // size, LEAST_STEPS)
    training = {
        place: steps_of(layers[place], x, size, (options.rounds + 1) * num_steps)
        for place in places
    }
    taken = defaultdict(list)
    for number in range(options.rounds + 1):
        for place, losses in training.items():
            with limited(place.threads):
                start = time.perf_counter()
                last = list(islice(losses, num_steps))[-1]
                float(last)  # waits for the device
                seconds = time.perf_counter() - start
            if number > 0:  # the first round warms up
                taken[str(place)].append(1e3 * seconds / num_steps)
    return {
        **found,
        "steps_of_a_round": num_steps,
        "ms": {place: statistics.median(times) for place, times in taken.items()},
        "range": {place: [min(times), max(times)] for place, times in taken.items()},
    }


def agreement(
    x: Tensor, size: int, here: BASiSLayer, there: BASiSLayer, num_batches: int
) -> dict[str, float]:
    """The largest relative difference of targets, and how many did not converge on
    the GPU."""
    generator = torch.Generator().manual_seed(1)
    largest, unconverged = 0.0, 0
    for _ in range(num_batches):
        others = torch.randperm(len(x), generator=generator)[: size - NUM_ANCHORS]
        expected, found = here.targets(x[others]), there.targets(x[others])
        unconverged += not bool(found.converged)
        error = (found.y.cpu() - expected.y).norm() / expected.y.norm()
        largest = max(largest, float(error))
    return {"largest_difference": largest, "unconverged": unconverged}


def steps_of(
    layer: BASiSLayer, x: Tensor, size: int, num_steps: int
) -> Iterator[Tensor]:
    """Training as BASiS does it, step by step."""
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
    layer.train()
    for batch in AnchorLoader(x, layer.reference, size, num_steps):
        loss = layer.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()


@contextmanager
def limited(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)
