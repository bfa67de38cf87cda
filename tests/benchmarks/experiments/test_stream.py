import pytest


@pytest.mark.slow
def test_every_update_is_measured(quick, data_root) -> None:
    results = quick("stream", "--data-root", data_root)["results"]
    steps = [run["step"] for run in results["growth"]]
    assert steps[:2] == ["one fit to all digits", "first fit, 0 to 4"]
    assert len(steps) == 6
    for run in results["growth"][2:]:
        assert 0 <= run["relabeled"] <= 1 and 0 < run["moved"] < 1.5
        assert run["bytes"] > 10_000 and 0 < run["missing"] < 0.5
    assert results["same"][0]["moved"] < 0.5
    assert results["drift"][0]["moved"] < 0.5
