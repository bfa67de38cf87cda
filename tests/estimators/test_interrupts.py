"""An interrupt ends the training, and the model so far is finished and kept."""

import signal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.estimators.inputs import blocks, quick, three_blobs


class Interrupted(nn.Linear):
    """Is interrupted in some passes, counted from 1 at the first of the training."""

    def __init__(self, *passes: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            super().__init__(3, 16)
        self.passes, self.count = passes, 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training or self.count > 0:
            self.count += 1
        if self.count in self.passes:
            signal.raise_signal(signal.SIGINT)
        return super().forward(x)


@pytest.mark.parametrize("readout", [True, False])
@pytest.mark.parametrize("given", [False, True])
def test_the_first_one_ends_the_training(readout: bool, given: bool) -> None:
    x = blocks() if given else three_blobs()
    with pytest.warns(
        UserWarning, match="interrupted after 3 of max_iter=10"
    ) as caught:
        basis = quick(network=Interrupted(4), readout=readout).fit(x)
    assert any(warning.filename == __file__ for warning in caught)
    assert basis.n_iter_ == 3
    assert all(len(v) == 3 for k, v in basis.history_.items() if k != "missing")
    if readout:  # else the learning rate had another end in view
        expected = quick(network=Interrupted(), max_iter=3, tol=None).fit(x)
        assert np.array_equal(basis.transform(x), expected.transform(x))
    assert (basis.quality_ is not None) is readout


def test_with_workers() -> None:
    with pytest.warns(UserWarning, match="interrupted after 3"):
        basis = quick(network=Interrupted(4), num_workers=2).fit(three_blobs())
    assert basis.n_iter_ == 3


@pytest.mark.filterwarnings("ignore:the training was interrupted")
@pytest.mark.parametrize("passes", [(1,), (4, 5)])
def test_at_the_very_beginning_and_twice_it_stops_at_once(
    passes: tuple[int, ...],
) -> None:
    basis = quick().fit(three_blobs())
    before = basis.transform(three_blobs())
    with pytest.raises(KeyboardInterrupt):
        basis.set_params(network=Interrupted(*passes)).fit(three_blobs())
    assert np.array_equal(basis.transform(three_blobs()), before)
