import pytest

from benchmarks.experiments import fuzz
from tests.fuzz.families import FAMILIES, Family
from tests.fuzz.judge import Case


def call(x: int) -> int:
    if x == 2:
        raise ValueError("not of the package")
    return x


def test_a_quick_run_counts_what_ends_how(quick, tmp_path, monkeypatch):
    from hypothesis import strategies as st

    monkeypatch.setattr(fuzz, "QUICK", 20)
    cases = st.sampled_from([1, 2]).map(lambda x: Case(call, {"x": x}))
    monkeypatch.setitem(FAMILIES, "points", Family(cases, 0, 0))
    with pytest.raises(SystemExit, match="fuzz: 1 findings"):
        quick("fuzz", "--families", "points", "--processes", 1)
    results = fuzz.read_results(tmp_path / "output", "fuzz")
    counts = results["families"]["points"]
    assert counts["answers"] + counts["raw errors"] == counts["examples"] > 0
    assert counts["wrong answers"] == counts["hangs"] == counts["refusals"] == 0
    (finding,) = results["findings"]
    assert finding["kind"] == "RawError" and "call(x=2)" in finding["call"]
    assert "| points |" in (tmp_path / "output" / "fuzz.md").read_text()
