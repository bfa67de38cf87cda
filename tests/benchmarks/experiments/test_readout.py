import pytest


@pytest.mark.slow
def test_command_compares_methods(quick) -> None:
    runs = quick("readout")["results"]["runs"]
    assert [run["method"] for run in runs] == ["now", "nystroem"]
    for run in runs:
        assert run["grassmann_distance"] < 0.5 and run["captured"] > 0.9
        assert run["fit_seconds"] > 0 and run["transform_seconds"] > 0
    assert runs[0]["eigenvalue_error"] < 0.2
