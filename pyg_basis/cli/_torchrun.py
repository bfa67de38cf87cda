"""The processes that ``torchrun`` starts, by what it leaves in the environment: torch
itself is slow to import."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

# The commands whose processes work together.
COMMANDS = {"fit"}


def num_processes() -> int:
    """How many processes run this command."""
    is_started = "TORCHELASTIC_RUN_ID" in os.environ
    return int(os.environ.get("WORLD_SIZE", "1")) if is_started else 1


def is_first() -> bool:
    """Whether this process writes files and reports, as rank 0 and one alone do."""
    return num_processes() == 1 or os.environ["RANK"] == "0"


@contextmanager
def process_group(device: str) -> Iterator[None]:
    """Joins the process group, if there is to be one. Of several GPUs each process of
    a machine takes its own as ``"cuda"``."""
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
