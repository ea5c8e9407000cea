"""What a synthesis may spend: caps stop it cleanly, say which, and what was spent outlives every start."""

import asyncio
from pathlib import Path

import pytest

from sandmle.core.engine.budget import Cap
from sandmle.core.engine.role_budget import (
    RoleBudget,
    RoleCaps,
    open_role_budget,
    read_role_charges,
    role_caps,
)
from sandmle.core.engine.settings import BudgetSettings
from sandmle.core.errors import BudgetError, ConfigError, RunError
from sandmle.core.types.message import ModelReply, Usage


def reply(tokens: int = 10, usd: float = 0.0, cached: bool = False) -> ModelReply:
    return ModelReply(text="x", usage=Usage(completion_tokens=tokens, cost_usd=usd), cached=cached)


def test_without_caps_nothing_is_refused() -> None:
    budget = RoleBudget()
    budget.charge("writer", 0, reply(10**9, 10**6))
    budget.check("writer")
    assert budget.total == Usage(completion_tokens=10**9, cost_usd=10**6)


def test_a_role_has_a_cap_of_its_own_and_there_is_one_over_all() -> None:
    caps = RoleCaps(whole=Cap(tokens=50), roles={"writer": Cap(tokens=20), "developer": Cap(usd=1.0)})
    budget = RoleBudget(caps)
    budget.charge("writer", 0, reply(20))
    with pytest.raises(
        BudgetError, match=r"role writer is used up: 20 of 20 tokens.*budget\.role_tokens\.writer"
    ) as one:
        budget.check("writer")
    assert one.value.scope == "writer"
    budget.check("developer")
    budget.charge("developer", 0, reply(1, 1.0))
    with pytest.raises(BudgetError, match=r"role developer is used up: 1 of 1 USD"):
        budget.check("developer")
    budget.check("strategist")
    budget.charge("strategist", 1, reply(29))
    with pytest.raises(BudgetError, match=r"synthesis' budget is used up: 50 of 50 tokens.*the same command goes on"):
        budget.check("strategist")


def test_what_was_paid_for_earlier_is_not_charged_again() -> None:
    budget = RoleBudget()
    budget.charge("writer", 0, reply(cached=True))
    assert (budget.total, budget.by_role) == (Usage(), {})


def test_charges_outlive_the_process_that_made_them(tmp_path: Path) -> None:
    caps = RoleCaps(whole=Cap(tokens=12), roles={})
    with open_role_budget(tmp_path, caps) as budget:
        budget.charge("writer", 0, reply(7, 0.25))
        budget.charge("developer", 1, reply(5, 0.5))
    with (tmp_path / "usage.jsonl").open("ab") as file:
        file.write(b'{"role": "half a')
    with open_role_budget(tmp_path, caps) as again:
        assert again.by_role == {
            "developer": Usage(completion_tokens=5, cost_usd=0.5),
            "writer": Usage(completion_tokens=7, cost_usd=0.25),
        }
        with pytest.raises(BudgetError, match="12 of 12 tokens"):
            again.check("strategist")
    assert [charge.index for charge in read_role_charges(tmp_path / "usage.jsonl")] == [0, 1]


def test_a_damaged_record_of_spending_is_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "usage.jsonl").write_text('{"role": "writer"}\n{}\n')
    with pytest.raises(RunError, match=r"usage\.jsonl, line 1: no record of spending"):
        read_role_charges(tmp_path / "usage.jsonl")


def test_a_cap_of_a_role_that_does_not_play_is_refused() -> None:
    settings = BudgetSettings(role_usd={"ml-devloper": 1.0})
    with pytest.raises(ConfigError, match="did you mean 'ml-developer'"):
        role_caps(settings, ["ml-developer", "technical-writer"])


def test_which_roles_need_a_price() -> None:
    caps = role_caps(BudgetSettings(role_usd={"a": 1.0}, role_tokens={"b": 5}), ["a", "b"])
    assert [caps.needs_price(role) for role in ("a", "b")] == [True, False]
    assert role_caps(BudgetSettings(synth_usd=3.0), ["a"]).needs_price("a")


async def test_charges_of_drafts_under_way_at_once_are_all_kept(tmp_path: Path) -> None:
    with open_role_budget(tmp_path, RoleCaps(whole=Cap(), roles={})) as budget:

        async def spend(index: int) -> None:
            for _ in range(20):
                budget.charge("writer", index, reply(1))
                await asyncio.sleep(0)

        await asyncio.gather(*(spend(index) for index in range(5)))
    assert len(read_role_charges(tmp_path / "usage.jsonl")) == 100
