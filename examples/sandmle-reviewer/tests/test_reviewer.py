"""The plugin's own tests: it is found, it keeps the contracts, and its verdict counts."""

import asyncio
import json
from dataclasses import replace

import pytest

from sandmle import Kind, Message, ReplyOptions, open_toolkit
from sandmle.core.conformance.draft_check import check_draft_check
from sandmle.core.conformance.drafts import sample_dossier, sample_draft, sample_evidence
from sandmle.core.conformance.llm import check_provider
from sandmle.core.types.synthesis import Strategy
from sandmle_reviewer.plugin import sandmle_check_task
from sandmle_reviewer.role import Review, Reviewer
from sandmle_reviewer.tides import FAMILY, MODEL, Tides


def test_the_package_registers_its_role_and_provider() -> None:
    registry = open_toolkit().registry
    assert "reviewer" in registry.names(Kind.ROLE)
    assert "tides" in registry.names(Kind.LLM)


def test_the_provider_keeps_the_contract() -> None:
    asyncio.run(check_provider(Tides(), MODEL))


def test_the_check_keeps_the_contract() -> None:
    check_draft_check(sandmle_check_task)


@pytest.mark.parametrize(("verdict", "found"), [("accept", []), ("reject", ["reviewer-verdict"])])
def test_the_verdict_decides(verdict: str, found: list[str]) -> None:
    review = Review.model_validate({"verdict": verdict, "concerns": ["it names a company"]})
    evidence = replace(sample_evidence(), extra={"reviewer": review})
    assert [problem.check for problem in sandmle_check_task(sample_draft(), evidence)] == found


def test_the_reviewer_is_not_told_the_rule() -> None:
    dossier = sample_dossier()
    plan = dossier.answers["data-strategist"]
    assert isinstance(plan, Strategy)
    [message] = Reviewer().prompt(dossier)
    assert plan.title in message.content
    assert plan.hidden_rule not in message.content


def test_two_draws_give_two_plans_of_the_family() -> None:
    def plan(rng_seed: int) -> Strategy:
        draw = json.dumps({"rng_seed": rng_seed, "index": 3})
        asked = [Message(role="user", content=f"# Role: data-strategist\n\n## Random draw\n```json\n{draw}\n```\n")]
        reply = asyncio.run(Tides().open_model(MODEL).reply(asked, ReplyOptions()))
        return Strategy.model_validate_json(reply.text)

    assert plan(1).rule_family == plan(2).rule_family == FAMILY
    assert plan(1).hidden_rule != plan(2).hidden_rule
    assert plan(1) == plan(1)
