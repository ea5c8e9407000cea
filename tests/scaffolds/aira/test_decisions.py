"""Our scaffold and AIRA-dojo's own greedy solver, driven by the same scripted model: the same prompts and choices.

`decisions.json` was recorded from AIRA-dojo by `scripts/record_aira_decisions.py`.
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
from sandmle.scaffolds.aira.config import AiraConfig
from sandmle.scaffolds.aira.graph import build_graph, open_run

RECORD = json.loads(Path(__file__).with_name("decisions.json").read_text("utf-8"))
MARK = re.compile(r"(Design|program|output|finding) (\d+)")
LIMITS = EpisodeLimits(max_turns=10_000, cell_timeout_s=60.0, episode_timeout_s=600.0, max_scored_submissions=3)
HEADINGS = {
    "The program with the bug": "debug",
    "The solution so far": "improve",
    "Your analysis": "analyze",
    "Ideas explored before": "draft",
}
CUES = {
    "**simple** idea": "simple",
    "**more complex** idea": "normal",
    "**advanced** idea": "complex",
    "**small and safe** change": "simple",
    "**moderate** step": "normal",
    "**substantial** extension": "complex",
}


def call_of(prompt):
    """The operator, its cue, and what the prompt shows."""
    kind = next(kind for heading, kind in HEADINGS.items() if f"\n# {heading}\n" in prompt)
    cue = next((f" ({cue})" for words, cue in CUES.items() if words in prompt), "")
    marks = " ".join(f"{word[0].upper()}{number}" for word, number in MARK.findall(prompt))
    return f"{kind}{cue}: {marks}".strip()


def comparable(call, memory):
    """Without what only the wording decides.

    The peer says a good attempt's finding twice, as its results and as its analysis, and the order in which it
    reminds of siblings is that of a set.
    """
    head, _, shown = call.partition(":")
    marks = shown.split()
    once = [mark for at, mark in enumerate(marks) if at == 0 or mark != marks[at - 1]]
    return head, sorted(once) if memory == "sibling" else once


class Script:
    """The recorded model and its world."""

    def __init__(self, scenario):
        self._replies = iter(scenario["replies"])
        self._reviews = iter(scenario["reviews"])
        self._outcomes = scenario["outcomes"]
        self._ran = 0
        self.calls = []

    def speak(self, messages, turn):
        self.calls.append(call_of(messages[-1].content))
        return json.dumps(next(self._reviews)) if self.calls[-1].startswith("analyze") else next(self._replies)

    def world(self, action):
        if action.kind is ActionKind.SUBMIT:
            valid = self._ran % RECORD["valid_every"] != 0
            return Observation(text=f"The submission is {'valid' if valid else 'invalid'}.")
        if "run_program(" in action.code.splitlines()[-1] or "print('program" in action.code:
            self._ran = int(MARK.findall(action.code)[-1][1])
            output, failed = self._outcomes[str(self._ran)]
            return Observation(text=output, cell=CellStatus.ERROR if failed else CellStatus.OK)
        return Observation(text="(no output)", cell=CellStatus.OK)


@pytest.mark.parametrize(
    "scenario",
    RECORD["scenarios"],
    ids=lambda one: f"{one['setting']['memory']}-{one['setting']['debug_prob']}-{one['seed']}",
)
async def test_the_same_script_leads_to_the_same_prompts_operators_and_choices(scenario):
    script = Script(scenario)
    episode = ScriptedEpisode(script.speak, script.world, limits=LIMITS)
    episode._rng = random.Random(scenario["seed"])
    run = open_run(episode, AiraConfig.model_validate(scenario["setting"]))
    try:
        await build_graph().ainvoke({"next": "draft"}, context=run, config={"recursion_limit": 1000})
    except EpisodeOver as over:
        pytest.fail(f"ended early: {over.reason}")
    memory = scenario["setting"]["memory"]
    assert [comparable(one, memory) for one in script.calls] == [comparable(one, memory) for one in scenario["calls"]]
    found = [[one.operator.value, one.parent, one.buggy, one.score] for one in run.journal.attempts]
    assert found == scenario["attempts"]
    best = run.journal.best()
    assert (best.number if best else None) == scenario["best"]


def test_the_record_holds_every_operator_cue_retry_and_refused_submission():
    calls = [call for scenario in RECORD["scenarios"] for call in scenario["calls"]]
    assert {call.partition(":")[0].partition(" ")[0] for call in calls} == {"draft", "debug", "improve", "analyze"}
    for cue in ("simple", "normal", "complex"):
        assert any(f"({cue})" in call for call in calls)
    assert any(len(scenario["replies"]) > scenario["setting"]["steps"] for scenario in RECORD["scenarios"])
    reviews = [review for scenario in RECORD["scenarios"] for review in scenario["reviews"]]
    attempts = [attempt for scenario in RECORD["scenarios"] for attempt in scenario["attempts"]]
    praised = sum(not review["is_bug"] and review["metric"] is not None for review in reviews)
    assert praised > sum(not buggy for _, _, buggy, _ in attempts)
