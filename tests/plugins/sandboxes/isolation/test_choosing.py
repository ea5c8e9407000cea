"""Which level is kept: late is not broken, broken is not tried again, and a weaker level is said aloud."""

import logging
from collections.abc import Iterable, Mapping

import pytest

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import IsolationLevel
from sandmle.plugins.sandboxes.isolation import landlock
from sandmle.plugins.sandboxes.isolation.choosing import GotThroughError, strongest_that_holds
from sandmle.plugins.sandboxes.isolation.room import Plan

LATE = SandboxError("it was not ready within 60 s")
BROKEN = GotThroughError("these attacks got through: read")
L3, L2 = IsolationLevel.L3, IsolationLevel.L2

pytestmark = pytest.mark.skipif(not landlock.abi(), reason="without Landlock there is no L3 to be tried")


class Prober:
    """Fails at a level as often as it is told to."""

    def __init__(self, problems: Mapping[IsolationLevel, Iterable[SandboxError]]) -> None:
        self._problems = {level: list(some) for level, some in problems.items()}
        self.asked: list[IsolationLevel] = []

    async def __call__(self, plan: Plan) -> None:
        self.asked.append(plan.level)
        if self._problems.get(plan.level):
            raise self._problems[plan.level].pop()


async def choose(prober: Prober, strongest: IsolationLevel = L3) -> tuple[IsolationLevel, tuple[str, ...]]:
    plan, reasons = await strongest_that_holds("odd", strongest, prober, allow_unsafe=False)
    return plan.level, reasons


async def test_what_was_late_once_is_tried_again_and_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    prober = Prober({L3: [LATE]})
    assert await choose(prober) == (L3, ())
    assert prober.asked == [L3, L3]
    assert caplog.records == []


async def test_an_attack_that_got_through_is_not_tried_again() -> None:
    prober = Prober({L3: [BROKEN] * 9})
    level, reasons = await choose(prober)
    assert level is L2
    # As root there are two plans of that level.
    assert prober.asked[:-1] == [L3] * len(reasons)


async def test_a_weaker_level_is_said_aloud_with_its_reasons(caplog: pytest.LogCaptureFixture) -> None:
    level, reasons = await choose(Prober({L3: [LATE] * 9}))
    assert level is L2
    assert set(reasons) == {"L3: it was not ready within 60 s"}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "odd sandbox is at level L2 and not at L3: L3: it was not ready within 60 s" in record.message


async def test_the_level_asked_for_is_no_weaker_one(caplog: pytest.LogCaptureFixture) -> None:
    assert await choose(Prober({}), strongest=L2) == (L2, ())
    assert caplog.records == []


async def test_where_nothing_holds_every_reason_is_told() -> None:
    with pytest.raises(SandboxError, match=r"L3: it was not ready.*L2: these attacks got through.*allow_unsafe = true"):
        await choose(Prober({L3: [LATE] * 9, L2: [BROKEN] * 9}))
