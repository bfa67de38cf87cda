import sys

import pytest

from benchmarks.experiments import scaling

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="RssAnon is Linux's word")


@pytest.mark.slow
@on_linux
def test_command_writes_figures(quick, tmp_path):
    runs = quick("scaling", "--scratch", tmp_path)["results"]["runs"]
    assert len(runs) == len(scaling.METHODS)
    for run in runs:
        assert run["gave_up"] is None and run["distance"] < 0.5
        assert run["own_memory"] >= run["own_memory_before"] > 0
    assert (tmp_path / "output" / "scaling.png").stat().st_size > 10_000
