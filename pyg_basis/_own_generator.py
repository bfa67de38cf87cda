"""Random numbers of a network from a generator other than the global one."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
# Overloads with a generator, by those without.
WITH_GENERATOR = {
    "default": "generator",
    "low": "low_generator",
    "out": "generator_out",
    "low_out": "low_generator_out",
}
# Some versions of torch lack such an overload.
LIKE = {aten.rand_like.default: torch.rand, aten.randn_like.default: torch.randn}


class OwnGenerator(TorchDispatchMode):
    r"""Draws the random numbers of all operations in its context from one generator,
    also those of :class:`torch.nn.Dropout`, which accepts none. The global generator
    and other threads are not affected.

    .. code-block:: python

        with OwnGenerator(torch.Generator().manual_seed(0)):
            loss = layer.loss(batch)

    Args:
        generator (torch.Generator): The generator. Operations on other devices are not
            affected.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        x = args[0] if args and isinstance(args[0], Tensor) else None
        device = torch.device(
            given.get("device") or (x.device if x is not None else "cpu")
        )
        if device.type != self.generator.device.type:
            return func(*args, **given)
        if any(isinstance(value, Generator) for value in (*args, *given.values())):
            return func(*args, **given)  # with a generator of its own
        own: dict[str, Any] = {"generator": self.generator}
        if x is not None and func in LIKE:
            dtype = given.get("dtype") or x.dtype
            return LIKE[func](x.shape, dtype=dtype, device=device, **own)
        if x is not None and func is aten.native_dropout.default:
            # The fused kernel on accelerators.
            kept = torch.rand(x.shape, device=device, **own) >= args[1]
            return x * kept * (1 / (1 - args[1]) if args[1] < 1 else 0), kept
        name = WITH_GENERATOR.get(func._overloadname, "")
        if name in func.overloadpacket.overloads():
            func = getattr(func.overloadpacket, name)
        if any(argument.name == "generator" for argument in func._schema.arguments):
            given |= own
        return func(*args, **given)


def is_compiled(network: nn.Module) -> bool:
    r"""Whether a network, or a part of it, is compiled: its graphs draw from the global
    generator, and compilation would fail in an :class:`OwnGenerator`."""
    return any(
        hasattr(part, "_orig_mod") or part._compiled_call_impl is not None
        for part in network.modules()
    )
