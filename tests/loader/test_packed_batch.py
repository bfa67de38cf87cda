import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.loader._packed_batch import ALIGNMENT, PackedBatch

DTYPES = [
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.complex64,
    torch.complex128,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.bool,
]


def values(dtype: torch.dtype, shape: list[int], seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randint(0, 100, shape, generator=generator)
    return (numbers % 2 if dtype == torch.bool else numbers).to(dtype)


def assert_same(one: Data, other: Data) -> None:
    assert one.keys() == other.keys()
    for key, value in one.to_dict().items():
        if isinstance(value, Tensor):
            assert other[key].dtype == value.dtype
            assert other[key].shape == value.shape
            assert torch.equal(other[key], value)
        else:
            assert other[key] == value
            assert type(other[key]) is type(value)


@given(
    fields=st.lists(
        st.tuples(
            st.sampled_from(DTYPES), st.lists(st.integers(0, 4), min_size=0, max_size=3)
        ),
        max_size=8,
    ),
)
def test_round_trip_of_any_tensors(fields) -> None:
    tensors = [values(dtype, shape, i) for i, (dtype, shape) in enumerate(fields)]
    batch = Data.from_dict({f"field_{i}": value for i, value in enumerate(tensors)})
    packed = PackedBatch.of(batch)
    assert_same(batch, packed.unpack())
    assert_same(batch, pickle.loads(pickle.dumps(packed)).unpack())
    assert packed.buffer.dtype == torch.uint8
    assert packed.buffer.numel() % ALIGNMENT == 0


def a_batch() -> Data:
    return Data(
        x=values(torch.float32, [5, 3]),
        y=values(torch.float64, [5, 2]),
        mask=values(torch.bool, [5]),
        empty=torch.empty(0, 3),
        residual=torch.tensor(0.25),
        rank=torch.tensor(3),
        num_components=2,
        converged=True,
        name="batch",
        values=[1, 2.5],
    )


def test_plain_values_come_along() -> None:
    unpacked = PackedBatch.of(a_batch()).unpack()
    assert_same(a_batch(), unpacked)
    assert unpacked.converged is True
    assert unpacked.residual.dim() == 0


def test_a_batch_without_tensors() -> None:
    assert_same(Data(n=1), PackedBatch.of(Data(n=1)).unpack())
    assert PackedBatch.of(Data()).buffer.numel() == 0


def test_tensors_lie_in_one_buffer_aligned_and_apart() -> None:
    packed = PackedBatch.of(a_batch())
    tensors = [v for v in packed.unpack().to_dict().values() if isinstance(v, Tensor)]
    start = packed.buffer.data_ptr()
    end = 0
    for tensor in tensors:
        if tensor.numel() == 0:
            continue
        offset = tensor.data_ptr() - start
        assert offset % ALIGNMENT == 0
        assert offset >= end
        end = offset + tensor.nbytes
    assert end <= packed.buffer.numel() < end + ALIGNMENT


def test_the_batch_is_copied_once() -> None:
    batch = a_batch()
    packed = PackedBatch.of(batch)
    batch.x.zero_()
    assert packed.unpack().x.any()
    # And the result is the buffer.
    packed.unpack().x.zero_()
    assert not packed.unpack().x.any()
    assert packed.unpack().y.any()


def test_tensors_that_are_not_contiguous() -> None:
    x = values(torch.float32, [4, 6])
    batch = Data(x=x.t(), part=x[:, ::2], one=x[:1].expand(4, 6))
    assert_same(batch, PackedBatch.of(batch).unpack())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_pin_memory() -> None:
    pinned = PackedBatch.of(a_batch()).pin_memory()
    assert pinned.buffer.is_pinned()
    assert_same(a_batch(), pinned.unpack())
