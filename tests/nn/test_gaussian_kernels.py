import pytest
import torch
from torch import Tensor

from pyg_basis.nn.gaussian_kernels import gaussian_kernels, neighbor_bandwidths


def normal(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def two_groups(gap: float, d: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Points, centers and bandwidths of two groups of width 1."""
    x = normal(600, d)
    x[::2] += gap
    centers = x[:100].clone()
    return x, centers, neighbor_bandwidths(centers, 7)


def by_differences(x: Tensor, centers: Tensor, bandwidths: Tensor) -> Tensor:
    difference = x.double().unsqueeze(1) - centers.double()
    return (-difference.square().sum(dim=2) / bandwidths.double().square()).exp()


@pytest.mark.parametrize("d", [1, 3, 40])
@pytest.mark.parametrize("gap", [0.0, 30.0, 3e3, 1e6])
def test_equal_to_differences_at_any_gap(gap: float, d: int) -> None:
    given = two_groups(gap, d)
    expected = by_differences(*given)
    found = gaussian_kernels(*given)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected.float(), rtol=0, atol=1e-5)
    wide = gaussian_kernels(*(tensor.double() for tensor in given))
    torch.testing.assert_close(wide, expected, rtol=0, atol=1e-5)
    # Nor does a row depend on the others.
    alone = torch.cat([gaussian_kernels(row, *given[1:]) for row in given[0].split(1)])
    torch.testing.assert_close(alone, found, rtol=0, atol=1e-5)


@pytest.mark.parametrize("exponent", [-110, -80, 0, 80, 120])
@pytest.mark.parametrize("gap", [0.0, 30.0])
def test_units_of_features_do_not_matter(exponent: int, gap: float) -> None:
    x, centers, bandwidths = two_groups(gap)
    factor = torch.tensor(2.0).double().pow(exponent)
    scaled = [(tensor.double() * factor).float() for tensor in (x, centers)]
    widths = neighbor_bandwidths(scaled[1], 7)
    assert torch.equal(widths.double(), (bandwidths.double() * factor).float().double())
    found = gaussian_kernels(*scaled, widths)
    expected = gaussian_kernels(x, centers, bandwidths)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_far_points_have_kernels_of_zero() -> None:
    centers = normal(20, 3)
    bandwidths = neighbor_bandwidths(centers, 3)
    largest = torch.finfo(torch.float32).max
    for far in (1e3, 1e20, largest, -largest):
        x = torch.full((2, 3), far, requires_grad=True)
        kernels = gaussian_kernels(x, centers, bandwidths)
        assert not kernels.any()
        kernels.sum().backward()
        assert not x.grad.any()


@pytest.mark.parametrize("gap", [0.0, 3e3])
def test_gradients_reach_the_points(gap: float) -> None:
    x, centers, bandwidths = two_groups(gap)
    found, expected = (x.clone().requires_grad_() for _ in range(2))
    gaussian_kernels(found, centers, bandwidths).sum().backward()
    by_differences(expected, centers, bandwidths).sum().backward()
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-3, atol=1e-4)


def test_bandwidths_by_hand() -> None:
    centers = torch.tensor([[0.0], [1.0], [3.0], [1e6], [1e6 + 1]])
    assert neighbor_bandwidths(centers, 1).tolist() == [1, 1, 2, 1, 1]
    assert neighbor_bandwidths(centers, 9)[0] == 1e6 + 1  # the farthest
    assert neighbor_bandwidths(centers[:1], 3).tolist() == [1]


def test_duplicated_centers_have_a_width() -> None:
    centers = torch.tensor([[0.0], [0.0], [4.0], [4.0], [4.0]])
    assert neighbor_bandwidths(centers, 1).tolist() == pytest.approx([1.0] * 5)
    widths = neighbor_bandwidths(torch.tensor([[0.0], [0.0], [4.0]]), 1)
    assert widths.tolist() == pytest.approx([4e-3 / 3, 4e-3 / 3, 4])
