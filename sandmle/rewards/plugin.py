"""Registers the built-in milestones."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.registry import Spec

if TYPE_CHECKING:
    from sandmle.core.contracts.milestone import Milestone

SUMMARIES = {
    "format": "share of replies that think first",
    "execute": "the code ran and yielded a valid submission",
    "valid": "the final submission is valid",
    "median": "the score reaches the board's median (inclusive)",
    "bronze": "a bronze medal or better",
    "silver": "a silver medal or better",
    "gold": "a gold medal",
}
"""Milestone name to what it says."""


@hookimpl
def sandmle_register_milestones() -> "Sequence[Spec[Milestone]]":
    return [Spec(name=name, summary=summary, make=_maker(name)) for name, summary in SUMMARIES.items()]


def _maker(name: str) -> "Callable[[Any], Milestone]":
    def make(config: Any) -> "Milestone":
        from sandmle.rewards.milestones import milestones

        return next(one for one in milestones() if one.name == name)

    return make
