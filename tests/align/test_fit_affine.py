import warnings

import pytest
import torch

from pyg_basis.align import (
    RANSAC,
    LeastSquares,
    MomentPreserving,
    Orthogonal,
    fit_affine,
    get_aligner,
)
from tests.align.rows import normal

METHODS = ["lstsq", "ransac", "orthogonal"]


@pytest.mark.parametrize("method", METHODS)
def test_the_method_asked_for_is_used(method) -> None:
    source, target = normal(0, (60, 3), (60, 3))
    target = source + 0.1 * target
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit_affine(source, target, method)
    assert found.method == method
    assert torch.equal(found.linear, get_aligner(method).fit(source, target).linear)
    if method == "lstsq":  # the default
        assert torch.equal(found.linear, fit_affine(source, target).linear)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", METHODS)
def test_rank_deficient_anchors_warn_once(method, dtype) -> None:
    source, basis = normal(4, (30, 2), (2, 4))
    source = (source @ basis).to(dtype)
    match = r"span 2 of 4 dimensions.*least norm.*choose more, or more varied, anchors"
    with pytest.warns(RuntimeWarning, match=match) as record:
        found = fit_affine(source, source, method)
    assert len(record) == 1
    assert record[0].filename == __file__
    # What the anchors do span is mapped exactly.
    assert torch.allclose(found.apply(source), source, rtol=0, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1])
@pytest.mark.parametrize("method", METHODS)
def test_constant_anchors_give_a_finite_map(method, value) -> None:
    (target,) = normal(5, (30, 3))
    constant = torch.full((30, 3), value, dtype=torch.double)
    with pytest.warns(RuntimeWarning) as record:
        found = fit_affine(constant, target, method)
    assert "span 0 of 3" in str(record[-1].message)
    # RANSAC says besides that it found nothing.
    assert len(record) == 1 + (method == "ransac")
    for tensor in (found.linear, found.shift, found.residual):
        assert torch.isfinite(tensor).all()
    assert torch.allclose(found.apply(constant[:1])[0], target.mean(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", [*METHODS, "moments"])
def test_dtype_of_the_target_comes_back_and_arguments_stay(method, dtype) -> None:
    # Offsets would cost single precision three of its seven digits: the fit is in
    # double precision.
    source, noise = normal(6, (60, 3), (60, 3))
    source = source.float() + 1e3
    target = (2 * source + 0.1 * noise).to(dtype)
    before = source.clone(), target.clone()
    found = fit_affine(source, target, method)
    for tensor in (found.linear, found.shift, found.residual, found.inlier_share):
        assert tensor.dtype == dtype
    assert torch.equal(source, before[0])
    assert torch.equal(target, before[1])
    exact = fit_affine(source.double(), target.double(), method)
    torch.testing.assert_close(found.linear, exact.linear.to(dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", [*METHODS, "moments"])
def test_half_precision_is_fitted_in_a_wider_type(method, dtype) -> None:
    source, turn = normal(7, (60, 3), (3, 3))
    turn = torch.linalg.qr(turn).Q
    rows, target = source.to(dtype), (source @ turn).to(dtype)
    found = fit_affine(rows, target, method)
    expected = fit_affine(rows.double(), target.double(), method)
    torch.testing.assert_close(found.linear, expected.linear.float())
    assert float(found.condition_number) == pytest.approx(1, abs=0.02)
    mapped = found.apply(rows)
    assert mapped.dtype == dtype
    torch.testing.assert_close(mapped, expected.apply(rows.double()).to(dtype))


def test_a_map_that_half_precision_cannot_hold() -> None:
    source, _ = normal(7, (60, 3), (3, 3))
    found = fit_affine((1e-4 * source).bfloat16(), (1e4 * source).half())
    torch.testing.assert_close(found.linear, 1e8 * torch.eye(3), rtol=0.1, atol=1e7)


@pytest.mark.parametrize("name", ["source", "target"])
@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (torch.ones(30), "floating-point matrix .* pass one row"),
        (torch.ones(30, 3, 1), r"matrix .* got torch.float32 of shape \(30, 3, 1\)"),
        (torch.ones(30, 3).long(), "matrix .* got torch.int64 .* pass one row"),
        (torch.ones(30, 0), r"matrix .* shape \(30, 0\), .* pass one row"),
        (torch.ones(30, 3, device="meta"), "dense .* on meta"),
        (torch.eye(30, 3).to_sparse(), "dense .* torch.sparse_coo on cpu"),
        (torch.ones(30, 3).numpy(), "tensor, got ndarray: .* torch.as_tensor"),
        (torch.ones(30, 3).tolist(), "tensor, got list: pass torch.as_tensor"),
        (torch.ones(30, 3).fill_(torch.nan), "NaN, infinite or huge .* cleaning"),
        (torch.ones(30, 3).fill_(-torch.inf), "NaN, infinite or huge .* cleaning"),
        (torch.ones(30, 3).double() * 1e200, "NaN, infinite or huge .* cleaning"),
        (torch.ones(30, 3).fill_(1e38), "NaN, infinite or huge .* cleaning"),
    ],
)
def test_no_matrix_of_finite_numbers(name, bad, match) -> None:
    rows = {"source": torch.ones(30, 3), "target": torch.ones(30, 3), name: bad}
    with pytest.raises(ValueError, match=f"{name} .*{match}"):
        fit_affine(**rows)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sizes", [(1e-300, 1.0), (1.0, 1e-300), (1e100, 1e-100)])
@pytest.mark.parametrize("dtypes", [("float64", "float32"), ("float64", "float64")])
def test_sizes_far_apart(method, sizes, dtypes) -> None:
    pair = zip(normal(9, (12, 2), (12, 2)), sizes, dtypes, strict=True)
    source, target = ((size * x).to(getattr(torch, dtype)) for x, size, dtype in pair)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            found = fit_affine(source, target, method)
        except ValueError as error:
            assert "source" in str(error)
        else:
            assert found.apply(source).isfinite().all() and found.residual.isfinite()


def test_a_map_that_overflows() -> None:
    (rows,) = normal(9, (12, 2))
    with pytest.raises(ValueError, match=r"source and target .* to one scale"):
        fit_affine(1e-300 * rows.double(), rows.float())


def test_numbers_of_anchors() -> None:
    (rows,) = normal(8, (4, 3))
    fit_affine(rows, rows)
    match = "source has 4 rows and target 3: give both the same anchors"
    with pytest.raises(ValueError, match=match):
        fit_affine(rows, rows[:3])
    match = "source has 3 anchors, .* 3 columns needs at least 4: choose more anchors"
    for method in METHODS:
        with pytest.raises(ValueError, match=match):
            fit_affine(rows[:3], rows[:3], method)


@pytest.mark.parametrize("aligner", [Orthogonal(), MomentPreserving()])
def test_maps_that_keep_the_width(aligner) -> None:
    name = type(aligner).__name__
    match = f"method={name} needs equal widths, got 3 and 2: use method='lstsq'"
    with pytest.raises(ValueError, match=match):
        fit_affine(torch.ones(30, 3), torch.ones(30, 2), aligner)


def test_names_of_aligners() -> None:
    assert get_aligner("lstsq") == LeastSquares()
    assert get_aligner("ransac") == RANSAC()
    assert get_aligner("orthogonal") == Orthogonal()
    assert get_aligner("moments") == MomentPreserving()
    own = RANSAC(seed=3)
    assert get_aligner(own) is own
    with pytest.raises(ValueError, match=r"'method' .*'lstsq'.* Got 'affine'"):
        get_aligner("affine")


@pytest.mark.parametrize("method", [None, 3, ["lstsq"], {}, RANSAC, torch.ones(2)])
def test_methods_of_other_types(method) -> None:
    with pytest.raises(ValueError, match=r"'method' .*'lstsq'"):
        fit_affine(torch.ones(30, 3), torch.ones(30, 3), method)
