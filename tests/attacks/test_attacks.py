"""Every hostile program gets what it wants where isolation is off, and nothing at any level.

An attack that fails where nobody defends would prove nothing; so each is shown to work first.
"""

import pytest
from hostile.cases import HELD_CASES, OFF_CASES, Case


@pytest.mark.parametrize("case", OFF_CASES, ids=str)
def test_it_succeeds_with_isolation_off(outcomes, case: Case) -> None:
    answer = outcomes.of(case)
    assert answer["won"], f"{case.attack.aim}: does not work even here, so that it proves nothing: {answer['seen']}"


@pytest.mark.parametrize("case", HELD_CASES, ids=str)
def test_it_is_held(outcomes, case: Case) -> None:
    answer = outcomes.of(case)
    assert not answer["won"], f"{case.attack.aim}: got through at {case.place}: {answer['seen']}"
