"""A call, and how long it took the processor."""

import time
from collections.abc import Callable
from typing import Any


def timed(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """What the function returns, and the seconds of the processor: what else the
    machine does is not counted."""
    start = time.process_time()
    result = work(*arguments)
    return result, time.process_time() - start
