import numpy as np
import pytest
import torch

from pyg_basis.cli._blocks import BLOCK_ROWS, as_array, blocks


@pytest.mark.parametrize("num_rows", [1, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS])
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_blocks_are_the_rows(num_rows: int, kind: type) -> None:
    rows = kind(np.arange(2.0 * num_rows).reshape(-1, 2))
    parts = list(blocks(rows, "test", quiet=True))
    assert all(type(part) is type(rows) for part in parts)
    assert max(map(len, parts)) <= BLOCK_ROWS
    assert np.array_equal(np.concatenate([as_array(p) for p in parts]), as_array(rows))


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    list(blocks(np.zeros((BLOCK_ROWS + 3, 1)), "embed", quiet=False))
    captured = capsys.readouterr()
    assert f"{BLOCK_ROWS + 3}/{BLOCK_ROWS + 3}" in captured.err
    assert "embed" in captured.err and captured.out == ""
    list(blocks(np.zeros((3, 1)), "embed", quiet=True))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_as_array(dtype: torch.dtype) -> None:
    array = as_array(torch.tensor([[1.5, 2.0]], dtype=dtype))
    assert isinstance(array, np.ndarray) and array.tolist() == [[1.5, 2]]
