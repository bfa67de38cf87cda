import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_basis.nn.standardization import Standardization


def test_closed_form() -> None:
    standardization = Standardization(2)
    x = torch.tensor([[1.0, 10.0], [3.0, 30.0]])
    assert torch.equal(standardization(x / 3), x / 3)
    standardization.fit(x)
    assert standardization(x).tolist() == [[-1.0, -1.0], [1.0, 1.0]]
    assert standardization(torch.tensor([[2.0, 40.0]])).tolist() == [[0.0, 2.0]]
    standardization.reset_parameters()
    assert torch.equal(standardization(x / 3), x / 3)


@given(
    seed=st.integers(0, 2**31 - 1),
    scales=st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=5),
    num_constant=st.sampled_from([0, 300]),
)
def test_distances_keep_their_proportions(
    seed: int, scales: list[float], num_constant: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(50, len(scales), generator=generator).double() + 3
    x *= torch.tensor(scales, dtype=torch.float64)
    # One feature may have nearly all of the spread.
    x = torch.cat([x, x.new_full((50, num_constant), 2.0)], dim=1)
    standardization = Standardization(x.size(1)).double()
    standardization.fit(x, keep_distances=True)
    rows = standardization(x)
    assert rows.square().mean() == pytest.approx(1)
    assert rows.mean(dim=0).abs().max() < 1e-6
    ratio = torch.pdist(rows) / torch.pdist(x)
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))


def test_one_scale_of_extreme_or_constant_features_is_finite() -> None:
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    for factor in (0.0, 1e-18, 1e30):
        standardization = Standardization(3)
        standardization.fit(x * factor, keep_distances=True)
        rows = standardization(x * factor)
        assert rows.square().mean() == pytest.approx(1.0 if factor > 0 else 0.0)


@pytest.mark.parametrize("constant", [0.0, 0.1, -123.456, 1e6])
def test_constant_feature_is_not_divided_by_rounding(constant: float) -> None:
    # The mean of equal floats is not always that float: what is left is noise.
    x = torch.full((1001, 2), constant)
    x[:, 1] = torch.linspace(-1, 1, 1001)
    standardization = Standardization(2)
    standardization.fit(x)
    assert standardization.scale[0] == 1
    assert standardization.scale[1] == pytest.approx(3**-0.5, rel=2e-3)
    assert standardization(x)[:, 0].abs().max() <= abs(constant) * 1e-5
    # A new point that does differ there keeps its difference.
    new = standardization(torch.tensor([[constant + 2.0, 0.0]]))[0, 0]
    assert new == pytest.approx(2.0, abs=max(1e-4, abs(constant) * 1e-5))


def fitted(mean: float, scale: float) -> Standardization:
    standardization = Standardization(1).double()
    standardization.mean.fill_(mean)
    standardization.scale.fill_(scale)
    return standardization


def test_far_out_only_the_logarithm_grows() -> None:
    standardization = fitted(mean=3.0, scale=2.0)
    z = torch.tensor([0.0, 9.99, 10.0, 10 * math.e, 10 * math.e**2, 1e30]).double()
    expected = torch.tensor([0.0, 9.99, 10.0, 20.0, 30.0, 10 + 290 * math.log(10)])
    for sign in (1, -1):
        rows = standardization((3 + 2 * sign * z)[:, None])[:, 0]
        torch.testing.assert_close(rows, sign * expected.double())


def test_gradients_have_no_jump_and_are_finite() -> None:
    x = torch.tensor([[0.0], [9.999], [10.001], [1e6]]).double().requires_grad_()
    fitted(mean=0.0, scale=1.0)(x).sum().backward()
    expected = torch.tensor([[1.0], [1.0], [1.0], [1e-5]]).double()
    torch.testing.assert_close(x.grad, expected, rtol=1e-3, atol=0)


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_keeps_the_order(first: float, second: float) -> None:
    standardization = fitted(mean=1.5, scale=0.2)
    x = torch.tensor([[first], [second]]).double()
    rows = standardization(x)
    if abs(first - second) > 1e-6:
        assert (rows[0] < rows[1]) == (first < second)


@pytest.mark.parametrize("keep_distances", [False, True])
@pytest.mark.parametrize("exponent", [-120, -80, 80, 126])
def test_units_of_features_do_not_matter(exponent: int, keep_distances: bool) -> None:
    x = torch.rand(30, 3, generator=torch.Generator().manual_seed(0)) + 0.5
    expected, found = Standardization(3), Standardization(3)
    expected.fit(x, keep_distances)
    found.fit(x * 2.0**exponent, keep_distances)
    assert torch.equal(found(x * 2.0**exponent), expected(x))


def test_rows_at_the_end_of_their_precision_are_finite() -> None:
    standardization = Standardization(1)
    standardization.fit(1e-25 * torch.randn(100, 1, generator=torch.Generator()))
    rows = standardization(torch.tensor([[1e20], [-1e20], [3e38]]))
    assert rows.isfinite().all() and rows[0] == -rows[1]
