"""Finds on the CPU what would make the host wait for an accelerator."""

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

# Operators that hand a number to the host, or whose result has a shape that hangs on
# the numbers in it.
READING = (
    "_local_scalar_dense",
    "aten.equal",
    "is_nonzero",
    "masked_select",
    "nonzero",
    "unique",
    "repeat_interleave.Tensor",
)


class NoHostReads(TorchDispatchMode):
    """Raises an AssertionError at the first such operator within the context."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        assert not any(name in str(func) for name in READING), f"{func} reads"
        return func(*args, **(kwargs or {}))
