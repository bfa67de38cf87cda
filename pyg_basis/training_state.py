from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean
from typing import TYPE_CHECKING, Any

import torch

from pyg_basis._ranks import Ranks

if TYPE_CHECKING:
    from pyg_basis.nn import BASiSLayer

# What is recorded of every step. Where several ranks train, each with a batch of its
# own, it is the mean, or of what may be amiss the worst.
RECORDED: dict[str, Callable[[list[float]], float]] = {
    "loss": mean,
    "learning_rate": mean,
    "residual": mean,
    "rank": min,
    "consensus": min,
    "num_components": max,
    "converged": min,
    "fell_back": max,
}
DIAGNOSTICS = tuple(RECORDED)[2:]

History = dict[str, list[float]]


@dataclass
class TrainingState:
    r"""All that changes during a training, see :func:`~pyg_basis.algorithm.train`. With
    its :meth:`state_dict` a training of the same layer on the batches that follow goes
    on bit by bit.

    Args:
        layer (BASiSLayer): The layer, with a reference.
        learning_rate (float): Of Adam.
        generator (torch.Generator, optional): Source of dropout, on the layer's device;
            by default the global one, whose state is not kept. (default: :obj:`None`)
        ranks (Ranks, optional): The processes that train, each with batches and dropout
            of its own; all have the same state else. (default: this one alone)

    Attributes:
        records (list of dict): Of each batch so far the loss, the learning rate and
            the diagnostics; of several ranks, the mean over their batches, or what is
            worst in one.
        excesses (list of float): Of each look what the read-out misses.
        is_finished (bool): Whether the last batch is done, and the training was not
            interrupted before.
    """

    layer: "BASiSLayer"
    learning_rate: float
    generator: torch.Generator | None = None
    ranks: Ranks = field(default_factory=Ranks)
    records: list[dict[str, float]] = field(default_factory=list)
    excesses: list[float] = field(default_factory=list)
    is_finished: bool = False

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.Adam(
            self.layer.parameters(), lr=self.learning_rate
        )

    def record(self, values: dict[str, float]) -> None:
        r"""Keeps what is known of a batch."""
        given = self.ranks.gather(values)
        if len(given) > 1:
            values = {
                name: joined([each[name] for each in given])
                for name, joined in RECORDED.items()
            }
        self.records.append(values)

    @property
    def num_batches(self) -> int:
        r"""Batches that are done, in each rank."""
        return len(self.records)

    @property
    def history(self) -> History:
        r"""Lists with one entry a batch of all that is recorded, and one a look of the
        excess, where there is a read-out."""
        columns = {name: [each[name] for each in self.records] for name in RECORDED}
        return columns | ({"excess": self.excesses} if self.excesses else {})

    def state_dict(self) -> dict[str, Any]:
        r"""The state as tensors and plain values."""
        own = None if self.generator is None else self.generator.get_state()
        return {
            "layer": self.layer.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": own,
            "records": self.records,
            "excesses": self.excesses,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        r"""Goes back to a state of :meth:`state_dict`."""
        self.layer.load_state_dict(saved["layer"])
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.generator is not None:
            self.generator.set_state(saved["generator"])
        self.records, self.excesses = list(saved["records"]), list(saved["excesses"])


# Is called after each batch; ends the training by returning what is true.
Callback = Callable[[TrainingState], object]
