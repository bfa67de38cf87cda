import hashlib
import logging
import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis import __version__
from pyg_basis._atomic_file import atomic_file
from pyg_basis._ranks import Ranks
from pyg_basis._torch_file import load_torch_file
from pyg_basis._warn import warn
from pyg_basis.data import FeatureSource
from pyg_basis.data.repeated_rows import RepeatedRows
from pyg_basis.estimators._source import class_codes
from pyg_basis.nn import BASiSLayer
from pyg_basis.training_state import Callback, TrainingState

if TYPE_CHECKING:
    from pyg_basis.estimators.basis import BASiS

logger = logging.getLogger("pyg_basis")

UNFINISHED, FINISHED = "training.pt", "finished.pt"
# Batches between two checkpoints: writing takes milliseconds, this many batches
# seconds.
INTERVAL = 10
# Number of evenly spaced rows that identify a set of points. The anchors, which are
# drawn at random, are compared later.
NUM_COMPARED = 256
# Maximum relative difference of a recomputed reference: rounding on another machine is
# far below, another basis far above.
SAME_BASIS = 1e-2
# Parameters that do not affect a training.
FREE_PARAMETERS = {"verbose", "num_workers"}


class TrainingCheckpoint:
    r"""The file from which a training resumes. Called after each batch, it is written
    after every tenth.

    When the training has ended, the file is renamed. If the subsequent work is cut off,
    the same training resumes from there, with at most ten batches to repeat. A
    different training starts anew.

    Args:
        folder (str or Path): Folder of the file, created if it does not exist.
        fingerprint (dict of str): What the training depends on. A training resumes only
            if all of it is the same.
        seed (int): Seed of a new training.
        callback (callable, optional): Called first after each batch. Its errors are
            passed on after writing a checkpoint.
        ranks (Ranks, optional): The training processes. The folder is that of rank 0.

    Attributes:
        seed (int): Seed of the training in the folder, or the given one.

    Raises:
        OSError: If the folder cannot be created or written to.
        ValueError: If it contains a different, unfinished training, or a damaged file.
    """

    def __init__(
        self,
        folder: str | Path,
        fingerprint: dict[str, str],
        seed: int,
        callback: Callback | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.folder, self.path = Path(folder), Path(folder) / UNFINISHED
        self.fingerprint, self.callback = fingerprint, callback
        self.ranks = ranks or Ranks()
        self._saved: dict[str, Any] | None
        self.seed, self._saved = self.ranks.first(lambda: self._opened(seed))

    def _opened(self, seed: int) -> tuple[int, dict[str, Any] | None]:
        """Returns the seed and, if a training resumes, its state."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not os.access(self.folder, os.W_OK):
            raise PermissionError(
                f"checkpoint={str(self.folder)!r}: choose a folder that you may write "
                f"to"
            )
        for name in (UNFINISHED, FINISHED):
            if (self.folder / name).exists():
                saved = self._read(name)
                if name == UNFINISHED or saved["fingerprint"] == self.fingerprint:
                    self._check_fingerprint(saved["fingerprint"])
                    return saved["seed"], saved["state"]
                break
        return seed, None

    def restore(self, state: TrainingState) -> None:
        r"""Restores the state of the training in the folder, if there is one, into a
        prepared training.

        Raises:
            ValueError: If its reference or its network differ.
        """
        if self._saved is None:
            return
        self._saved["generator"] = self._saved.pop("generators")[self.ranks.rank]
        layer = self._saved["layer"]
        self._check_reference(state.layer, layer["anchors"], layer["rows"])
        try:
            state.load_state_dict(self._saved)
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise self._refusal(f"network: {reason}") from error
        self._saved = None
        logger.info("%s: goes on after %d batches", self.folder, state.num_batches)

    def __call__(self, state: TrainingState) -> bool:
        ends, error = False, None
        try:
            ends = bool(self.callback and self.callback(state))
        except BaseException as raised:
            error = raised
        of_ranks = self.ranks.gather((ends, error is not None))
        ends, has_failed = map(any, zip(*of_ranks, strict=True))
        if has_failed or (not ends and state.num_batches % INTERVAL == 0):
            self._write(state)
        if error is not None:
            raise error
        return ends

    def finish(self) -> None:
        r"""Allows another training to start in the folder."""
        if self.ranks.is_first and self.path.exists():
            self.path.replace(self.folder / FINISHED)

    def _write(self, state: TrainingState) -> None:
        if state.is_finished:  # nothing left to resume
            return
        saved = state.state_dict()
        saved["generators"] = self.ranks.gather(saved.pop("generator"))
        content = {"fingerprint": self.fingerprint, "seed": self.seed, "state": saved}
        self.ranks.first(lambda: self._write_file(content))

    def _write_file(self, content: dict[str, Any]) -> None:
        buffer = BytesIO()
        torch.save(content, buffer)
        if not self.path.exists():
            self._check_readable(buffer)
        with atomic_file(self.path) as temporary:
            temporary.write_bytes(buffer.getvalue())

    def _check_readable(self, buffer: BytesIO) -> None:
        try:
            load_torch_file(buffer)
        except ValueError as error:
            raise ValueError(
                f"checkpoint={str(self.folder)!r} could not be read again: let the "
                f"state of the network be of tensors, numbers and strings ({error})"
            ) from error

    def _read(self, name: str) -> dict[str, Any]:
        try:
            saved = load_torch_file(self.folder / name)
            if saved.keys() == {"fingerprint", "seed", "state"}:
                return saved
        except (AttributeError, ValueError):
            pass
        raise ValueError(
            f"checkpoint={str(self.folder)!r} holds a {name} that is "
            f"damaged, or of another kind: remove it to begin anew"
        )

    def _check_fingerprint(self, saved: dict[str, str]) -> None:
        own = self.fingerprint
        different = [
            f"{name}: {saved.get(name)} there, {own.get(name)} here"
            for name in saved | own
            if saved.get(name) != own.get(name)
        ]
        if different:
            raise self._refusal("; ".join(different))

    def _check_reference(
        self, layer: BASiSLayer, anchors: Tensor, rows: Tensor
    ) -> None:
        """Checks that the recomputed reference, which batches are aligned to, is that
        of the training, up to rounding."""
        now = layer.anchors.cpu(), layer.rows.cpu()
        if torch.equal(now[0], anchors) and torch.equal(now[1], rows):
            return
        if not torch.equal(now[0], anchors) or now[1].shape != rows.shape:
            raise self._refusal("X: other anchors are drawn from it")
        difference = float((now[1] - rows).norm() / rows.norm())
        if difference > SAME_BASIS:
            raise self._refusal(
                f"eigenvectors of the reference: {difference:.0%} apart, from other "
                f"points, or another machine or number of threads"
            )
        warn(
            f"the training in checkpoint={str(self.folder)!r} goes on, but not to the "
            f"bit: the machine, or its number of threads, rounds differently"
        )

    def _refusal(self, difference: str) -> ValueError:
        return ValueError(
            f"checkpoint={str(self.folder)!r} holds a training that this fit cannot "
            f"go on with ({difference}): fit as before, or, to begin anew, choose "
            f"another folder or remove what is in this one"
        )


def fingerprint(
    estimator: "BASiS",
    source: FeatureSource,
    graph: Data | None,
    labels: ArrayLike | None,
    sample_weight: ArrayLike | None,
) -> dict[str, str]:
    r"""Identifies a fit, in readable form: the version, the parameters, and digests of
    the data."""
    compared = np.linspace(0, len(source) - 1, min(len(source), NUM_COMPARED))
    rows = source.__getitems__(compared.astype(np.int64))
    found = {
        # Commits between two releases go on with each other's trainings.
        "pyg_basis": __version__.partition(".dev")[0],
        "estimator": type(estimator).__name__,
        **{
            # The architecture of a network, without weights: training changes them.
            name: " ".join(str(value).split())
            for name, value in sorted(estimator.get_params(deep=False).items())
            if name not in FREE_PARAMETERS
        },
        "shape of X": f"{len(source)} x {source.num_features}",
        "rows of X": _digest(rows),
    }
    if graph is not None:
        found["edges"] = _digest(graph.edge_index, graph.edge_weight)
    if estimator.anchor_method == "per_class":
        found["y"] = _digest(torch.from_numpy(class_codes(labels, len(source))))
    if sample_weight is not None:
        copies = RepeatedRows(source, sample_weight, seed=0).ends
        found["sample_weight"] = _digest(torch.from_numpy(copies))
    return found


def _digest(*tensors: Any) -> str:
    found = hashlib.sha256()
    for tensor in tensors:
        if isinstance(tensor, Tensor):  # otherwise absent, or refused elsewhere
            plain = tensor.detach().cpu().contiguous().view(torch.uint8)
            found.update(plain.numpy().data)
    return f"SHA-256 {found.hexdigest()[:12]}"
