"""Our scaffold and AIDE's own agent, driven by the same scripted model: the same prompts, operators and choices.

`decisions.json` was recorded from the package `aideml` by `scripts/record_aide_decisions.py`.
"""

import json
import random
import re
from pathlib import Path

import pytest

from sandmle.core.conformance.scaffold import ScriptedEpisode
from sandmle.core.contracts.scaffold import EpisodeLimits, EpisodeOver
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.trajectory import ActionKind, Observation
from sandmle.scaffolds.aide.config import AideConfig
from sandmle.scaffolds.aide.graph import build_graph, open_run

RECORD = json.loads(Path(__file__).with_name("decisions.json").read_text("utf-8"))
MARK = re.compile(r"(Design|program|output|finding) (\d+)")
LIMITS = EpisodeLimits(max_turns=10_000, cell_timeout_s=60.0, episode_timeout_s=600.0, max_scored_submissions=3)
HEADINGS = {
    "The solution with the bug": "debug",
    "The solution so far": "improve",
    "Your review": "review",
    "Memory of earlier designs": "draft",
}


def kind_of(prompt):
    return next(kind for heading, kind in HEADINGS.items() if f"\n## {heading}\n" in prompt)


class Script:
    """The recorded model and its world."""

    def __init__(self, scenario):
        self._replies = iter(scenario["replies"])
        self._reviews = iter(scenario["reviews"])
        self._outcomes = scenario["outcomes"]
        self.calls = []

    def speak(self, messages, turn):
        prompt = messages[-1].content
        kind = kind_of(prompt)
        marks = " ".join(f"{word[0].upper()}{number}" for word, number in MARK.findall(prompt))
        self.calls.append(f"{kind}: {marks}".strip())
        return json.dumps(next(self._reviews)) if kind == "review" else next(self._replies)

    def world(self, action):
        if "run_program(" in action.code.splitlines()[-1] or "print('program" in action.code:
            output, failed = self._outcomes[MARK.findall(action.code)[-1][1]]
            return Observation(text=output, cell=CellStatus.ERROR if failed else CellStatus.OK)
        return Observation(text="(no output)", cell=CellStatus.OK)


@pytest.mark.parametrize(
    "scenario", RECORD["scenarios"], ids=lambda one: f"{one['setting']['debug_prob']}-{one['seed']}"
)
async def test_the_same_script_leads_to_the_same_prompts_operators_and_choices(scenario):
    script = Script(scenario)
    episode = ScriptedEpisode(script.speak, script.world, limits=LIMITS)
    episode._rng = random.Random(scenario["seed"])
    config = AideConfig.model_validate(scenario["setting"])
    run = open_run(episode, config)
    try:
        await build_graph().ainvoke({"next": "draft"}, context=run, config={"recursion_limit": 1000})
    except EpisodeOver as over:
        pytest.fail(f"ended early: {over.reason}")
    assert script.calls == scenario["calls"]
    found = [[one.operator.value, one.parent, one.buggy, one.score] for one in run.journal.attempts]
    assert found == scenario["attempts"]
    best = run.journal.best()
    assert (best.number if best else None) == scenario["best"]


def test_the_record_holds_every_operator_retries_and_ties():
    attempts = [attempt for scenario in RECORD["scenarios"] for attempt in scenario["attempts"]]
    assert {operator for operator, *_ in attempts} == {"draft", "debug", "improve"}
    retried = [scenario for scenario in RECORD["scenarios"] if len(scenario["replies"]) > scenario["setting"]["steps"]]
    assert retried
    scores = [[score for *_, score in scenario["attempts"] if score] for scenario in RECORD["scenarios"]]
    assert any(len(set(some)) < len(some) for some in scores)


async def test_an_unreadable_reply_is_an_invalid_action_and_the_same_prompt_again():
    scenario = RECORD["scenarios"][0]
    script = Script(scenario)
    episode = ScriptedEpisode(script.speak, script.world, limits=LIMITS)
    episode._rng = random.Random(scenario["seed"])
    run = open_run(episode, AideConfig.model_validate(scenario["setting"]))
    await build_graph().ainvoke({"next": "draft"}, context=run, config={"recursion_limit": 1000})
    refused = [one for one in episode.actions if one.kind is ActionKind.INVALID]
    given_up = sum(not one.plan for one in run.journal.attempts)
    assert len(refused) == len(scenario["replies"]) - len(run.journal.attempts) + given_up
    assert all("Nothing was done" in one.problem for one in refused)
