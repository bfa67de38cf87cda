import mmap
import sys
import time

import numpy as np
import pytest

from benchmarks.lib.own_memory import OwnMemory

PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


@pytest.mark.skipif(sys.platform != "linux", reason="RssAnon is Linux's word")
def test_own_memory_counts_what_is_allocated_and_no_file(tmp_path):
    path = tmp_path / "file.npy"
    np.save(path, np.zeros(8 << 20))  # 64 MiB
    with OwnMemory() as memory:
        assert np.load(path, mmap_mode="r").sum() == 0
    assert memory.peak - memory.before < 32
    with OwnMemory() as memory:
        # From the system itself: an allocator may hand out what it has kept.
        block = np.frombuffer(mmap.mmap(-1, 64 << 20, flags=PRIVATE), dtype=np.float64)
        block[:] = 1
        deadline = time.monotonic() + 300
        while memory.peak - memory.before <= 60 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert memory.peak - memory.before > 60
