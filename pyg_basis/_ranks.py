"""The processes of a distributed training."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")
# Attribute that marks errors known to all ranks.
REPORTED = "_is_reported_to_ranks"


class RankError(RuntimeError):
    r"""Another rank raised an error, or ended."""


class Ranks:
    r"""The ranks of this process's process group, or this process alone.

    All ranks must call the same methods in the same order. Each call starts with an
    exchange of a few bytes, which reports an earlier failure of a rank, see
    :func:`failing_together`. A single process only does its own work.

    Args:
        in_group (bool, optional): Whether to use the process group, if one is
            initialized, as under :obj:`torchrun`. (default: :obj:`False`)
    """

    def __init__(self, in_group: bool = False) -> None:
        self.rank, self.size = 0, 1
        if in_group and dist.is_available() and dist.is_initialized():
            self.rank, self.size = dist.get_rank(), dist.get_world_size()

    @property
    def is_first(self) -> bool:
        r"""Whether this is rank 0, which writes files and reports."""
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        r"""Returns the values of all ranks, in order."""
        return [value] if self.size == 1 else self._exchange(value)

    def together(self, work: Callable[[], T]) -> list[T]:
        r"""Returns the results of some work in all ranks. If one of them raises an
        error, all do, after all have ended the work."""
        if self.size == 1:
            return [work()]
        try:
            found = work()
        except BaseException as error:
            if not _is_known(error):
                self._exchange(None, error)
            raise
        return self._exchange(found)

    def first(self, work: Callable[[], T]) -> T:
        r"""Does some work in rank 0, and returns its result in all ranks."""
        if self.size == 1:
            return work()
        given = [work() if self.is_first else None]
        with _in_touch():
            self._exchange(None)
            dist.broadcast_object_list(given, src=0)
        return given[0]  # type: ignore[return-value]

    def in_step(self, items: Iterable[T]) -> Iterator[T]:
        r"""Yields the items of each rank one by one, until one rank has no more."""
        iterator = iter(items)
        while True:
            item = next(iterator, None)
            if not all(self.gather(item is not None)):
                return
            yield item  # type: ignore[misc]

    def sum(self, tensor: Tensor) -> Tensor:
        r"""Returns the sum over all ranks, bitwise the same in each."""
        if self.size == 1:
            return tensor
        total = tensor.to(_device(tensor), copy=True)
        with _in_touch():
            self._exchange(None)
            dist.all_reduce(total)
        return total.to(tensor.device)

    def average_gradients(self, module: nn.Module) -> None:
        r"""Replaces the gradients of all parameters by their mean over all ranks."""
        if self.size == 1:
            return
        parameters = [each for each in module.parameters() if each.requires_grad]
        # A parameter unused in this batch, as under stochastic depth, may be used in
        # that of another rank.
        gradients = [
            torch.zeros_like(each) if each.grad is None else each.grad
            for each in parameters
        ]
        mean = self.sum(torch.cat([each.flatten() for each in gradients])) / self.size
        parts = mean.split([each.numel() for each in gradients])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter).to(parameter)

    def synchronize(self, module: nn.Module) -> None:
        r"""Copies the state of a module from rank 0."""
        if self.size > 1:
            state = self.first(module.state_dict)
            module.load_state_dict(state)

    def _exchange(self, value: Any, error: BaseException | None = None) -> list[Any]:
        """Returns the values of all ranks. Raises the error that another rank reports,
        unless this one reports one."""
        reason = None
        if error is not None:
            reason = f"{type(error).__name__}: {error}"
            setattr(error, REPORTED, True)
        given: list[Any] = [None] * self.size
        with _in_touch():
            dist.all_gather_object(given, (reason, value))
        for rank, (reason, _) in enumerate(given):
            if reason is not None and error is None:
                raise RankError(f"rank {rank} of {self.size} raised {reason}")
        return [value for _, value in given]


@contextmanager
def failing_together() -> Iterator[None]:
    r"""Propagates errors between ranks: if a rank raises an error in this context, the
    others raise a :class:`RankError` in their next :class:`Ranks` method, rather than
    wait forever."""
    ranks = Ranks(in_group=True)
    try:
        yield
    except BaseException as error:
        if ranks.size > 1 and not _is_known(error):
            with suppress(RankError):  # other ranks may have ended
                ranks._exchange(None, error)
        raise


def _device(tensor: Tensor) -> str:
    """The device for reductions of the process group."""
    if "nccl" in dist.get_backend() and not tensor.is_cuda:
        return "cuda"
    return str(tensor.device)


def _is_known(error: BaseException) -> bool:
    """Whether all ranks know of an error."""
    return isinstance(error, RankError) or hasattr(error, REPORTED)


@contextmanager
def _in_touch() -> Iterator[None]:
    """Keeps the ranks in step: signals, such as Ctrl-C, are deferred to the end."""
    received: list[int] = []
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in map(int, (signal.SIGINT, signal.SIGTERM)):
            before[number] = signal.signal(number, lambda n, _: received.append(n))
    try:
        yield
    except RankError:
        raise
    except RuntimeError as error:
        raise RankError(
            f"rank {dist.get_rank()} of {dist.get_world_size()} lost the others: the "
            f"error of the one that ended first is the cause ({error})"
        ) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
        for number in received:
            signal.raise_signal(number)
