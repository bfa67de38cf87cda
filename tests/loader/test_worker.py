import os
import signal
import threading
from functools import partial
from typing import Any

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from torch.utils.data import DataLoader, Dataset, get_worker_info

from pyg_basis.loader._worker import init_worker, interrupts_deferred


class WorkerSettings(Dataset[Any]):
    """What the process that reads it is set to."""

    note = None

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, Any]:
        worker = get_worker_info()
        assert worker is not None
        return {
            "worker": worker.id,
            "ignores_interrupts": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
            "torch_threads": torch.get_num_threads(),
            "pools": {pool["user_api"]: pool["num_threads"] for pool in _pools()},
            "note": worker.dataset.note,
        }


def _pools() -> list[dict[str, Any]]:
    """The thread pools of the process, those with most threads last."""
    return sorted(threadpool_info(), key=lambda pool: pool["num_threads"])


def take_note(worker_id: int) -> None:
    worker = get_worker_info()
    assert worker is not None
    limited = all(pool["num_threads"] == 1 for pool in _pools())
    worker.dataset.note = [worker_id, limited]  # type: ignore[attr-defined]


def settings(worker_init_fn: Any) -> list[dict[str, Any]]:
    with threadpool_limits(2):
        assert {pool["num_threads"] for pool in threadpool_info()} == {2}
        return list(
            DataLoader(
                WorkerSettings(),
                batch_size=None,
                num_workers=2,
                generator=torch.Generator(),
                worker_init_fn=worker_init_fn,
            )
        )


def test_one_thread_each() -> None:
    for found in settings(init_worker):
        assert found["torch_threads"] == 1
        assert found["pools"] == {"blas": 1, "openmp": 1}
    # Without it, torch limits its own threads only.
    assert settings(None)[0]["pools"]["blas"] == 2


def test_interrupts_are_left_to_the_parent() -> None:
    assert all(found["ignores_interrupts"] for found in settings(init_worker))
    assert signal.getsignal(signal.SIGINT) != signal.SIG_IGN


def test_another_function_is_called_afterwards() -> None:
    for found in settings(partial(init_worker, then=take_note)):
        assert found["note"] == [found["worker"], True]
    assert settings(init_worker)[0]["note"] is None


def test_interrupted_worker_goes_on() -> None:
    def interrupt(worker_id: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    assert len(settings(partial(init_worker, then=interrupt))) == 4


def test_deferred_interrupt_comes_when_the_block_is_left() -> None:
    handler = signal.getsignal(signal.SIGINT)
    reached = []
    with pytest.raises(KeyboardInterrupt):
        with interrupts_deferred():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            reached.append("end of the block")
        reached.append("behind the block")
    assert reached == ["end of the block"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_nothing_deferred() -> None:
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), interrupts_deferred():
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGINT) is handler


def test_other_threads_have_no_interrupts_to_defer() -> None:
    def block() -> None:
        with interrupts_deferred():
            handlers.append(signal.getsignal(signal.SIGINT))

    handlers: list[Any] = []
    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]
