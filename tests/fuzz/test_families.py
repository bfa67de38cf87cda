import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.families import FAMILIES
from tests.fuzz.judge import Case, judge

pytestmark = pytest.mark.usefixtures("narrow_network")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_clean_answer_or_a_clear_refusal(family: str) -> None:
    cases, in_tests, _ = FAMILIES[family]

    # The same examples in every run: what changes is the package.
    @settings(
        max_examples=in_tests,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def run(case: Case) -> None:
        judge(case)

    run()


def test_make_fuzz_has_ten_thousand_examples() -> None:
    assert sum(family.in_all for family in FAMILIES.values()) == 10_000
