"""The plugin's own tests: it is found, it passes the shipped conformance suites, it pays what it says."""

import asyncio

from sandmle import Kind, open_toolkit
from sandmle.core.conformance.episodes import sample_episodes
from sandmle.core.conformance.milestone import check_milestone
from sandmle.core.conformance.scaffold import check_scaffold
from sandmle_frugal.milestone import Frugal

PROGRAM = ["Here it is.\n```python\nprint('done')\n```"]


def test_the_package_registers_its_scaffold_and_milestone() -> None:
    registry = open_toolkit().registry
    assert "one-call" in registry.names(Kind.SCAFFOLD)
    assert "frugal" in registry.names(Kind.MILESTONE)


def test_the_scaffold_keeps_the_contract() -> None:
    asyncio.run(check_scaffold(open_toolkit().make(Kind.SCAFFOLD, "one-call"), PROGRAM))


def test_the_milestone_keeps_the_contract_and_pays_less_for_more_turns() -> None:
    check_milestone(open_toolkit().make(Kind.MILESTONE, "frugal"))
    three_turns, six_turns = sample_episodes()[0], sample_episodes()[6]
    assert Frugal().value(three_turns) == 7 / 9
    assert Frugal().value(six_turns) == 4 / 9
