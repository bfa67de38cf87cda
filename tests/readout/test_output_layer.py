"""The output layer."""

import torch
from torch import Tensor

from pyg_basis.readout import RitzVectors
from pyg_basis.readout.output_layer import OutputLayer

# Two earlier columns, three of the last layer; two columns out of four vectors.
NUM_EARLIER, NUM_LAST, NUM_COLUMNS, NUM_VALUES = 2, 3, 2, 6


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def some_vectors(num_vectors: int = 4) -> RitzVectors:
    return RitzVectors(
        values=torch.arange(num_vectors).double(),
        weight=random(NUM_EARLIER + NUM_LAST, num_vectors),
        bias=random(num_vectors, seed=1),
    )


def layers_of(hidden: Tensor) -> tuple[Tensor, ...]:
    return hidden.split([NUM_EARLIER, NUM_LAST], dim=1)


def make_readout() -> OutputLayer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return OutputLayer([NUM_EARLIER, NUM_LAST], NUM_COLUMNS, NUM_VALUES)


def test_fit_takes_the_first_vectors() -> None:
    readout, vectors = make_readout().double(), some_vectors()
    hidden = random(7, NUM_EARLIER + NUM_LAST, seed=2).requires_grad_()
    readout.fit(vectors)
    rows = readout(*layers_of(hidden))
    torch.testing.assert_close(rows, vectors.rows(hidden)[:, :NUM_COLUMNS])
    # Gradients reach all hidden features then.
    rows.sum().backward()
    expected = vectors.weight[:, :NUM_COLUMNS].sum(dim=1)
    torch.testing.assert_close(hidden.grad, expected.expand(7, -1))


def test_eigenvalues_are_infinite_where_unknown() -> None:
    readout = make_readout()
    readout.fit(some_vectors(4))
    assert readout.eigenvalues.tolist() == [0, 1, 2, 3, torch.inf, torch.inf]
    readout.fit(some_vectors(2))  # those of before are gone
    assert readout.eigenvalues.tolist() == [0, 1, *[torch.inf] * 4]


def test_the_last_layer_alone_is_regressed() -> None:
    readout = make_readout()
    assert [name for name, _ in readout.named_parameters()] == ["weight", "bias"]
    hidden = random(7, NUM_EARLIER + NUM_LAST).float()
    # In training the earlier layers play no role.
    expected = hidden[:, NUM_EARLIER:] @ readout.weight.T + readout.bias
    torch.testing.assert_close(readout(*layers_of(hidden)), expected)
