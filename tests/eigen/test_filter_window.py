import math
from dataclasses import astuple, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_basis.eigen import FilterWindow, SymmetricOperator
from pyg_basis.eigen._chebyshev_filter import log_growth
from pyg_basis.eigen.filter_window import (
    LEAST_GUARDS,
    MOST_GUARDS,
    largest_eigenvalue,
)
from pyg_basis.graph import laplacian


def diagonal(values: torch.Tensor) -> SymmetricOperator:
    return SymmetricOperator.from_tensor(torch.diag(values.double()))


@pytest.mark.parametrize(
    ("wanted", "cut", "upper"),
    [(0.2, 0.1, 1.0), (0.2, 0.2, 1.0), (0.1, 0.5, 0.5), (0.1, math.nan, 1.0)],
)
def test_out_of_order(wanted, cut, upper) -> None:
    match = f"wanted={wanted}, cut={cut} and upper={upper} must be in ascending order"
    with pytest.raises(ValueError, match=match):
        FilterWindow(wanted, cut, upper, 4)


def test_no_guards() -> None:
    with pytest.raises(ValueError, match="num_guards=0 must be at least 1"):
        FilterWindow(0.1, 0.2, 0.3, 0)


def test_rate_is_the_growth_of_a_filter_of_degree_1() -> None:
    window = FilterWindow(0.1, 0.3, 0.9, 4)
    # On the scale on which [0.3, 0.9] is [-1, 1], 0.1 is at -5/3: acosh(5/3) = log 3.
    assert window.rate == pytest.approx(math.log(3))
    assert window.rate == pytest.approx(log_growth(0.1, 0.3, 0.9, 1))


def test_takes_the_window_of_least_work() -> None:
    # Beyond the three wanted a gap, four close values, a gap, and values on and on.
    values = torch.tensor([0.0, 0.02, 0.04, 0.1, 0.1, 0.1, 0.1, 0.5, 0.51, 0.52, 0.53])
    operator = diagonal(torch.cat([values, torch.linspace(0.54, 1, 60)]))
    window = FilterWindow.of(operator, values, 3)
    # The norm bound is 1, the largest eigenvalue.
    assert window.num_guards == 5
    assert (window.wanted, window.cut) == pytest.approx((0.04, 0.5))
    assert window.upper == 1.0  # 5 % more would be beyond the bound
    work = (3 + window.num_guards) / window.rate
    for num_guards, cut in enumerate(values[3:].tolist(), start=1):
        if num_guards >= LEAST_GUARDS:
            other = replace(window, cut=cut, num_guards=num_guards)
            assert work <= (3 + num_guards) / other.rate


@pytest.mark.parametrize("kind", ["sym", "comb"])
@pytest.mark.parametrize("k", [1, 4, 8])
def test_eigenvalues_are_where_it_says(neighbors, kind, k) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(neighbors(200), kind))
    values = torch.linalg.eigvalsh(operator.to_dense())
    window = FilterWindow.of(operator, values[: k + MOST_GUARDS], k)
    relative = values / operator.norm_bound
    assert LEAST_GUARDS <= window.num_guards <= MOST_GUARDS
    assert window.wanted == pytest.approx(float(relative[k - 1]), abs=1e-15)
    assert window.cut == pytest.approx(float(relative[k + window.num_guards - 1]))
    assert float(relative[-1]) <= window.upper <= 1.4 * float(relative[-1])


def test_no_window_where_all_known_eigenvalues_are_the_same() -> None:
    values = torch.cat([torch.zeros(20), torch.ones(50)])
    assert FilterWindow.of(diagonal(values), values[:15], 2) is None
    # Fewer are known than there are guards to be.
    assert FilterWindow.of(diagonal(values), values[:6], 2) is None
    # The first that is no zero is known.
    window = FilterWindow.of(diagonal(torch.cat([values, values + 1])), values[:21], 10)
    assert astuple(window)[:2] == (0.0, 0.5)


def test_a_window_does_not_depend_on_the_unit() -> None:
    values = torch.linspace(0, 1, 60).double() ** 2
    one = FilterWindow.of(diagonal(values), values[:16], 4)
    other = FilterWindow.of(diagonal(1e6 * values), 1e6 * values[:16], 4)
    assert astuple(one) == pytest.approx(astuple(other), rel=1e-9)


@given(
    values=st.lists(st.floats(-1, 2, allow_subnormal=False), min_size=2, max_size=40),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    seed=st.integers(0, 1000),
)
def test_bound_of_the_spectrum(values, scale, seed) -> None:
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(len(values), len(values))))[0]
    matrix = torch.from_numpy((rotation * values) @ rotation.T * scale)
    operator = SymmetricOperator.from_tensor((matrix + matrix.t()) / 2)
    bound = largest_eigenvalue(operator)
    assert bound >= scale * (max(values) - 1e-12)
    assert bound <= operator.norm_bound


def test_bound_is_exact_where_the_lanczos_steps_span_all() -> None:
    values = torch.tensor([0.0, 0.3, 0.7, 0.7, 0.9])  # four different ones
    assert largest_eigenvalue(diagonal(values)) == pytest.approx(0.9, abs=1e-6)


@pytest.mark.usefixtures("untouched_global_generators")
def test_bound_is_close_on_graphs(neighbors) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(neighbors(300)))
    largest = float(torch.linalg.eigvalsh(operator.to_dense())[-1])
    bound = largest_eigenvalue(operator)
    assert largest <= bound <= 1.3 * largest
    assert bound == largest_eigenvalue(operator)
