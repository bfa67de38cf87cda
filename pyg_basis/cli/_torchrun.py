"""The processes of ``torchrun``, from its environment variables: torch itself is slow
to import."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

# Commands whose processes cooperate.
COMMANDS = {"fit"}


def num_processes() -> int:
    """Number of processes that run this command."""
    is_started = "TORCHELASTIC_RUN_ID" in os.environ
    return int(os.environ.get("WORLD_SIZE", "1")) if is_started else 1


def is_first() -> bool:
    """Whether this process writes files and reports: rank 0, or a single process."""
    return num_processes() == 1 or os.environ["RANK"] == "0"


@contextmanager
def process_group(device: str) -> Iterator[None]:
    """Joins the process group, if there is one. With several GPUs, each process of a
    machine uses its own as ``"cuda"``."""
    if num_processes() == 1:
        yield
        return
    import torch
    import torch.distributed as dist

    has_gpu = "cuda" in str(device)
    if has_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if has_gpu else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()
