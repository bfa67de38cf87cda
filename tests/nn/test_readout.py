import pytest
import torch
from torch import Tensor

from pyg_basis.nn.rayleigh_ritz import RitzVectors
from pyg_basis.nn.readout import ReadOut

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


def make_readout() -> ReadOut:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ReadOut([NUM_EARLIER, NUM_LAST], NUM_COLUMNS, NUM_VALUES)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fit_takes_the_first_vectors(dtype: torch.dtype) -> None:
    readout, vectors = make_readout().to(dtype), some_vectors()
    hidden = random(7, NUM_EARLIER + NUM_LAST, seed=2).to(dtype)
    readout.fit(vectors)
    expected = vectors.rows(hidden)[:, :NUM_COLUMNS]
    found = readout(*layers_of(hidden))
    assert found.dtype == dtype
    torch.testing.assert_close(found, expected)


def test_eigenvalues_are_infinite_where_unknown() -> None:
    readout = make_readout()
    readout.fit(some_vectors(4))
    assert readout.eigenvalues.tolist() == [0, 1, 2, 3, torch.inf, torch.inf]
    readout.fit(some_vectors(2))  # those of before are gone
    assert readout.eigenvalues.tolist() == [0, 1, *[torch.inf] * 4]


def test_the_last_layer_alone_is_regressed() -> None:
    readout = make_readout()
    assert [name for name, _ in readout.named_parameters()] == ["weight", "bias"]
    assert readout.weight.shape == (NUM_COLUMNS, NUM_LAST)
    hidden = random(7, NUM_EARLIER + NUM_LAST).float()
    # In training the earlier layers play no role.
    expected = hidden[:, NUM_EARLIER:] @ readout.weight.T + readout.bias
    torch.testing.assert_close(readout(*layers_of(hidden)), expected)


def test_gradients_reach_all_hidden_features_once_they_are_read_out() -> None:
    readout = make_readout()
    readout.fit(some_vectors())
    hidden = random(7, NUM_EARLIER + NUM_LAST).float().requires_grad_()
    readout(*layers_of(hidden)).sum().backward()
    expected = some_vectors().weight[:, :NUM_COLUMNS].sum(dim=1).float()
    torch.testing.assert_close(hidden.grad, expected.expand(7, -1))
    assert readout.weight.grad is not None


def test_reset_parameters_forgets() -> None:
    readout = make_readout()
    readout.fit(some_vectors())
    weight = readout.weight.clone()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        readout.reset_parameters()
    assert not readout.earlier.any() and not readout.eigenvalues.any()
    assert not torch.equal(readout.weight, weight)
    assert torch.equal(readout.weight, make_readout().weight)
    assert torch.equal(readout.bias, make_readout().bias)


def test_state_dict_restores_what_was_read_out() -> None:
    readout, fresh = (
        make_readout(),
        ReadOut([NUM_EARLIER, NUM_LAST], NUM_COLUMNS, NUM_VALUES),
    )
    readout.fit(some_vectors())
    fresh.load_state_dict(readout.state_dict())
    hidden = random(7, NUM_EARLIER + NUM_LAST).float()
    assert torch.equal(fresh(*layers_of(hidden)), readout(*layers_of(hidden)))
    assert torch.equal(fresh.eigenvalues, readout.eigenvalues)


def test_one_layer_alone() -> None:
    readout = ReadOut([NUM_LAST], NUM_COLUMNS, NUM_VALUES)
    vectors = some_vectors()._replace(weight=random(NUM_LAST, 4))
    readout.fit(vectors)
    hidden = random(7, NUM_LAST, seed=2).float()
    torch.testing.assert_close(readout(hidden), vectors.rows(hidden)[:, :NUM_COLUMNS])


def test_full_precision_under_autocast() -> None:
    readout = make_readout()
    readout.fit(some_vectors())
    hidden = random(7, NUM_EARLIER + NUM_LAST).float()
    expected = readout(*layers_of(hidden))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(readout(*layers_of(hidden)), expected)
