import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_basis.nn.standardization import Standardization


def test_closed_form() -> None:
    standardization = Standardization(2)
    x = torch.tensor([[1.0, 10.0], [3.0, 30.0]])
    standardization.fit(x)
    assert standardization.mean.tolist() == [2.0, 20.0]
    assert standardization.scale.tolist() == [1.0, 10.0]
    assert standardization(x).tolist() == [[-1.0, -1.0], [1.0, 1.0]]
    assert standardization(torch.tensor([[2.0, 40.0]])).tolist() == [[0.0, 2.0]]


def test_identity_until_fitted_and_after_reset() -> None:
    standardization = Standardization(3)
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(standardization(x), x)
    standardization.fit(x)
    assert not torch.equal(standardization(x), x)
    standardization.reset_parameters()
    assert torch.equal(standardization(x), x)


@given(
    seed=st.integers(0, 2**31 - 1),
    scale=st.floats(1e-3, 1e3),
    shift=st.floats(-1e3, 1e3),
)
def test_mean_0_and_standard_deviation_1(seed: int, scale: float, shift: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(50, 3, generator=generator, dtype=torch.float64) * scale + shift
    standardization = Standardization(3).double()
    standardization.fit(x)
    rows = standardization(x)
    assert rows.mean(dim=0).abs().max() < 1e-6
    torch.testing.assert_close(
        rows.square().mean(dim=0), torch.ones(3, dtype=torch.float64)
    )


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


def test_one_row() -> None:
    standardization = Standardization(2)
    standardization.fit(torch.tensor([[3.0, -1.0]]))
    assert standardization(torch.tensor([[4.0, -1.0]])).tolist() == [[1.0, 0.0]]


def test_state_dict_holds_the_fit() -> None:
    fitted = Standardization(2)
    fitted.fit(torch.tensor([[1.0, 10.0], [3.0, 30.0]]))
    fresh = Standardization(2)
    fresh.load_state_dict(copy.deepcopy(fitted.state_dict()))
    x = torch.tensor([[0.5, 7.0]])
    assert torch.equal(fresh(x), fitted(x))


def test_repr() -> None:
    assert repr(Standardization(7)) == "Standardization(7)"
