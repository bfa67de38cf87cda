import sys

import pytest

from benchmarks.experiments import scaling

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="RssAnon is Linux's word")


@pytest.mark.parametrize(
    ("change", "limit", "expected"),
    [
        ({}, 240, True),
        ({"n": 10**7}, 240, True),
        ({"n": 10**5}, 240, False),
        ({"seed": 1}, 240, False),
        ({"method": "exact"}, 240, False),
        ({}, 9999, False),
    ],
)
def test_what_gave_up_is_not_tried_with_more_points(change, limit, expected):
    task = scaling.Task(0, "sphere", 9, 10**6, "basis")
    run = {**task._asdict(), "gave_up": "late", "parameters": {"limit_seconds": 240}}
    found = scaling.has_given_up(
        task._replace(**change), {"limit_seconds": limit}, [run]
    )
    assert found == expected


@pytest.mark.slow
@on_linux
def test_command_writes_figures(quick, tmp_path):
    runs = quick("scaling", "--scratch", tmp_path)["results"]["runs"]
    assert len(runs) == len(scaling.METHODS)
    for run in runs:
        assert run["gave_up"] is None and run["distance"] < 0.5
        assert run["own_memory"] >= run["own_memory_before"] > 0
    assert (tmp_path / "output" / "scaling.png").stat().st_size > 10_000
