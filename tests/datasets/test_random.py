import pytest
import torch

from pyg_basis.datasets._random import check_seed, seeded_generator


def test_equal_seeds_give_equal_numbers():
    numbers = [torch.rand(4, generator=seeded_generator(s)) for s in (1, 1, 2)]
    assert torch.equal(numbers[0], numbers[1])
    assert not torch.equal(numbers[0], numbers[2])


@pytest.mark.parametrize("seed", [-1, 2**32, 0.0, "0", None, True])
def test_a_bad_seed_is_named(seed):
    with pytest.raises(ValueError, match=r"seed must be an integer .*pass"):
        check_seed(seed)
