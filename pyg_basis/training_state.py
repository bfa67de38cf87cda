from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean
from typing import TYPE_CHECKING, Any

import torch

from pyg_basis._ranks import Ranks

if TYPE_CHECKING:
    from pyg_basis.nn import BASiSLayer

# Recorded values of every step, and how those of several ranks, each with its own
# batch, are combined: the mean, or the worst of a diagnostic.
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
    r"""The complete state of a training, see :func:`~pyg_basis.algorithm.train`. Its
    :meth:`state_dict` resumes a training of the same layer on the subsequent batches,
    bitwise equal to an uninterrupted one.

    Args:
        layer (BASiSLayer): The layer, with a reference.
        learning_rate (float): Learning rate of Adam.
        generator (torch.Generator, optional): Source of dropout, on the layer's device;
            by default the global one, whose state is not saved. (default: :obj:`None`)
        ranks (Ranks, optional): The training processes. Each has its own batches and
            dropout; the rest of their state is the same.
            (default: this process only)

    Attributes:
        records (list of dict): Loss, learning rate and diagnostics of each batch; for
            several ranks, the mean over their batches, or the worst value.
        missing (list of float): What was missing at each check, see
            :obj:`history_` of :class:`~pyg_basis.BASiS`.
        is_finished (bool): Whether the last batch was processed, without an earlier
            interruption.
    """

    layer: "BASiSLayer"
    learning_rate: float
    generator: torch.Generator | None = None
    ranks: Ranks = field(default_factory=Ranks)
    records: list[dict[str, float]] = field(default_factory=list)
    missing: list[float] = field(default_factory=list)
    is_finished: bool = False

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.Adam(
            self.layer.parameters(), lr=self.learning_rate
        )

    def record(self, values: dict[str, float]) -> None:
        r"""Records the values of a batch."""
        given = self.ranks.gather(values)
        if len(given) > 1:
            values = {
                name: joined([each[name] for each in given])
                for name, joined in RECORDED.items()
            }
        self.records.append(values)

    @property
    def num_batches(self) -> int:
        r"""Number of processed batches per rank."""
        return len(self.records)

    @property
    def history(self) -> History:
        r"""Lists of all recorded values, one entry per batch; with a read-out, also of
        what was missing, one entry per check."""
        columns = {name: [each[name] for each in self.records] for name in RECORDED}
        return columns | ({"missing": self.missing} if self.missing else {})

    def state_dict(self) -> dict[str, Any]:
        r"""Returns the state as tensors and plain values."""
        own = None if self.generator is None else self.generator.get_state()
        return {
            "layer": self.layer.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": own,
            "records": self.records,
            "missing": self.missing,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        r"""Restores a state of :meth:`state_dict`."""
        self.layer.load_state_dict(saved["layer"])
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.generator is not None:
            self.generator.set_state(saved["generator"])
        self.records, self.missing = list(saved["records"]), list(saved["missing"])


# Called after each batch; a true return value ends the training.
Callback = Callable[[TrainingState], object]
