import copy
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor
from torch_geometric.data import Data
from tqdm import tqdm

from pyg_basis.estimators._batch_sizes import BatchSizes
from pyg_basis.nn import BASiSLayer
from pyg_basis.nn.rayleigh_ritz import RitzVectors

# Batches before the first look at what could be read out; the later ones come after
# twice as many batches each, so that looking takes a small share of the time.
FIRST_LOOK = 10

# Losses and diagnostics are read every so many iterations: a copy back from an
# accelerator makes the host wait for it.
READING = 10
DIAGNOSTICS = ("residual", "num_components", "converged", "rank")

History = dict[str, list[float]]


class ReadOutStep(Protocol):
    r"""What reads the eigenvectors out of the layer that is trained."""

    def excess(self) -> float:
        r"""What is missing in the span of the hidden features as they are now."""

    def has_nothing_to_gain(self, excesses: list[float], tol: float) -> bool:
        r"""Whether more batches would help little, by all excesses so far."""

    def finish(self) -> RitzVectors | None:
        r"""Reads out of the network as it was at the last :meth:`excess`, which is as
        it is; nothing where the hidden features do not span enough."""

    def fit_degree(self) -> None:
        r"""Learns the degrees alone, where there is no read-out to do it."""


def new_layer(
    estimator: Any, num_features: int, sizes: BatchSizes, seed: int
) -> BASiSLayer:
    r"""A layer with the settings of a BASiS estimator, on its device."""
    with seeded_global_generator(seed):
        layer = BASiSLayer(
            num_features,
            estimator.n_components,
            num_anchors=sizes.num_anchors,
            network=copy.deepcopy(estimator.network),
            num_neighbors=sizes.num_neighbors,
            bandwidth=estimator.bandwidth,
            laplacian=estimator.laplacian,
            drop_trivial=estimator.drop_trivial,
            alignment=estimator.alignment,
            extend_degree=estimator.extend_degree,
            num_oversamples=sizes.num_oversamples,
        )
    return layer.to(estimator.device)


def train_layer(
    layer: BASiSLayer,
    batches: Iterable[Data],
    max_iter: int,
    learning_rate: float,
    tol: float | None,
    verbose: bool,
    read_out: ReadOutStep | None = None,
) -> tuple[History, Tensor]:
    r"""Regresses the layer on aligned batches (Algorithm 1, step 5) with Adam.

    With a read-out to follow, training ends as soon as it has nothing more to gain,
    which is looked at after 10, 20, 40, ... batches unless :obj:`tol` is :obj:`None`.
    There is a last look after the last batch. Without a read-out, the learning rate
    goes to zero linearly over the second half, which averages the batches.

    Returns:
        tuple: The history, one entry an iteration of the loss, the learning
        rate and the diagnostics of the batch, and one a look of the excess; and the
        mean eigenvalues of the batches, :obj:`[K]`.
    """
    history: History = defaultdict(list)
    optimizer = torch.optim.Adam(layer.parameters(), lr=learning_rate)
    half, look = max_iter / 2, FIRST_LOOK
    eigenvalues: list[Tensor] = []
    recent: list[dict[str, Any]] = []
    layer.train()
    with tqdm(
        total=max_iter, desc="BASiS", disable=not verbose, mininterval=1
    ) as progress:
        for iteration, batch in enumerate(batches):
            rate = float(learning_rate)  # NumPy's floats are not saved
            if read_out is None:
                rate *= min(1, (max_iter - iteration) / half)
            optimizer.param_groups[0]["lr"] = rate
            loss = layer.loss(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

            history["learning_rate"].append(rate)
            recent.append(
                {key: batch[key] for key in DIAGNOSTICS} | {"loss": loss.detach()}
            )
            eigenvalues.append(batch.eigenvalues)
            done = iteration + 1
            if done % READING == 0 or done >= max_iter:
                _read(recent, history)
                progress.set_postfix(loss=f"{history['loss'][-1]:.4f}", refresh=False)
            progress.update()
            is_last = done >= max_iter
            is_looked_at = is_last or (done == look and tol is not None)
            if read_out is not None and is_looked_at:
                look *= 2
                history["excess"].append(read_out.excess())
                is_last |= tol is not None and read_out.has_nothing_to_gain(
                    history["excess"], tol
                )
            if is_last:
                break
    _read(recent, history)
    layer.eval()
    return dict(history), torch.stack(eigenvalues).mean(dim=0).cpu()


def _read(recent: list[dict[str, Any]], history: History) -> None:
    r"""Moves what was recorded into the history, as plain numbers."""
    for key in ("loss", *DIAGNOSTICS):
        values = [record[key] for record in recent]
        if values and isinstance(values[0], Tensor):
            values = torch.stack(values).tolist()
        history[key] += values
    recent.clear()


@contextmanager
def seeded_global_generator(seed: int, device: str = "cpu") -> Iterator[None]:
    r"""Seeds the global generators, which weights and dropout are drawn from,
    and puts them back as they were."""
    devices = [torch.device(device)] if "cuda" in str(device) else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        for cuda in devices:
            with torch.cuda.device(cuda):
                torch.cuda.manual_seed(seed)
        yield


def warn_about_batches(
    history: History, num_eigenvectors: int, drop_trivial: bool, uses_edges: bool
) -> None:
    r"""Warns when a tenth or more of the batches did not determine their
    targets, and says what helps; in a graph that is given no more neighbours can."""
    num_batches = len(history["loss"])
    # As many zero eigenvalues as components; the trivial one may be left out.
    most = num_eigenvectors + int(drop_trivial)
    more_edges = "" if uses_edges else "n_neighbors, "
    causes = {
        f"fell into more than {most} components, so that their first eigenvectors "
        f"are not unique: raise {more_edges}batch_size or "
        f"n_components={num_eigenvectors}": [
            count > most for count in history["num_components"]
        ],
        "did not reach the tolerance of the eigensolver": [
            not converged for converged in history["converged"]
        ],
        "had anchors that do not determine the alignment: raise n_anchors": [
            rank < num_eigenvectors - int(not drop_trivial) for rank in history["rank"]
        ],
    }
    for cause, is_affected in causes.items():
        if sum(is_affected) >= 0.1 * num_batches:
            warnings.warn(
                f"{sum(is_affected)} of {num_batches} batches {cause}",
                UserWarning,
                stacklevel=3,
            )
