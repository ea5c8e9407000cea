"""Which enclosure a sandbox keeps: the strongest that was seen to hold.

A busy machine makes kernels and zygotes late, and whatever is late looks as if it did not hold. So a plan is given up
only when it failed twice or an attack got through, and a level below the one asked for is said aloud, with its reasons.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import IsolationLevel
from sandmle.plugins.sandboxes.isolation.room import Plan, missing_walls, plans

TRIES: Final = 2
_LOG: Final = logging.getLogger(__name__)


class GotThroughError(SandboxError):
    """An attack got through: it would the next time, too."""


async def strongest_that_holds(
    name: str, strongest: IsolationLevel, probe: Callable[[Plan], Awaitable[None]], *, allow_unsafe: bool
) -> tuple[Plan, tuple[str, ...]]:
    """Try plans, strongest first, until one holds.

    Args:
        name: the sandbox's, for what is said.
        strongest: the level to begin with.
        probe: starts something enclosed as a plan says and attacks from inside; raises a SandboxError when that
            cannot be had, and a `GotThroughError` when it does not hold.
        allow_unsafe: end with a plan that keeps nothing in.

    Returns:
        The plan, and why its level is no stronger; nothing where it is the one asked for.

    Raises:
        SandboxError: none holds; the message has the reason of each.
    """
    reasons = missing_walls()
    for plan in plans(strongest, allow_unsafe=allow_unsafe):
        problem = await _problem(plan, probe)
        if problem is not None:
            reasons.append(f"{plan.level}: {problem}")
            continue
        if plan.level.value >= strongest.value:
            return plan, ()
        _LOG.warning("the %s sandbox is at level %s and not at %s: %s", name, plan.level, strongest, "; ".join(reasons))
        return plan, tuple(reasons)
    raise SandboxError(
        "no isolation holds on this machine ("
        + "; ".join(reasons)
        + "); set allow_unsafe = true to go on without, if you trust what will run"
    )


async def _problem(plan: Plan, probe: Callable[[Plan], Awaitable[None]]) -> SandboxError | None:
    problem: SandboxError | None = None
    for _ in range(TRIES):
        try:
            await probe(plan)
        except GotThroughError as found:
            return found
        except SandboxError as found:
            problem = found
        else:
            return None
    return problem
