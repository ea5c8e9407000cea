"""The scripted agents read what every kind of task consists of, and the stronger does better than the sample."""

import io
import random
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Prediction
from sandmle.plugins.llms.offline.agent.facts import asks_several, read_facts
from sandmle.plugins.llms.offline.agent.weak import Care, quick_cell
from sandmle.plugins.llms.offline.agent.writer import Plan, look_cell, modelling_cell

from .conftest import Draft, find_later, make_draft, solve
from .test_drafts import private_score

SEARCHED = (
    ("limits-exceeded", "multilabel"),
    ("half-turn", "reconstruction"),
    ("neighbour-mean", "regression"),
    ("faint-tones", "multilabel"),
)
"""What the strong agent is let loose on: its search takes seconds a task."""
TAKEN = (
    ("recurring-pattern", "forecasting"),
    ("ring-distance", "ranking"),
    ("topics-meant", "multilabel"),
    ("stamps-present", "multilabel"),
    ("negated-remarks-and-saddle-curve", "regression"),
    ("corner-contrast-and-ring-distance", "classification"),
    ("hidden-circles", "classification"),
    ("pulse-rate", "regression"),
    ("returning-echo", "reconstruction"),
    ("fading-memory", "regression"),
    ("filed-recurring-pattern", "forecasting"),
)
"""What the middle agent has to hand in something valid for."""


def look_at(draft: Draft) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        solve(f'{look_cell()}\nopen("submission.csv", "w").close()', draft.folder)
    return printed.getvalue()


def strong(draft: Draft, *, search: bool) -> bytes:
    facts = read_facts(draft.writing.description, look_at(draft))
    assert facts is not None
    assert facts.metric == draft.strategy.metric
    return solve(modelling_cell(Plan(facts=facts, search=search), random.Random(0), "model"), draft.folder)


def weak(draft: Draft) -> bytes:
    prediction = METRICS[draft.strategy.metric].prediction
    chances = prediction in (Prediction.PROBABILITY, Prediction.LABELS)
    care = Care(missing=True, names=True, negative=True)
    several = asks_several(draft.writing.description)
    cell = quick_cell(prediction is Prediction.VALUE, chances, care, random.Random(0), "model", several=several)
    return solve(cell, draft.folder)


@pytest.mark.parametrize(("name", "task_type"), SEARCHED)
def test_the_strong_agent_beats_the_weak_one_and_the_sample(name: str, task_type: str, tmp_path: Path) -> None:
    draft = make_draft(next(find_later(name, task_type, lambda plan: True, "easy")), tmp_path)
    better = METRICS[draft.strategy.metric].direction.better
    best, quick = private_score(draft, strong(draft, search=True)), private_score(draft, weak(draft))
    assert better(best, private_score(draft, draft.files["public/sample_submission.csv"]))
    assert better(best, quick)


@pytest.mark.parametrize(("name", "task_type"), TAKEN)
def test_the_middle_agent_reads_every_kind_and_hands_in_something_valid(
    name: str, task_type: str, tmp_path: Path
) -> None:
    draft = make_draft(next(find_later(name, task_type, lambda plan: True, "easy")), tmp_path)
    private_score(draft, strong(draft, search=False))


@pytest.mark.parametrize("name", ["beating-tones", "steady-glide"])
def test_the_strong_agent_goes_on_into_a_gap_better_than_the_middle_one(name: str, tmp_path: Path) -> None:
    draft = make_draft(next(find_later(name, "reconstruction", lambda plan: True, "easy")), tmp_path)
    better = METRICS[draft.strategy.metric].direction.better
    best, middle = (private_score(draft, strong(draft, search=search)) for search in (True, False))
    assert better(best, middle)


def test_the_middle_agent_hears_how_high_a_tone_is(tmp_path: Path) -> None:
    draft = make_draft(next(find_later("pitch-height", "classification", lambda plan: True, "easy")), tmp_path)
    better = METRICS[draft.strategy.metric].direction.better
    middle = private_score(draft, strong(draft, search=False))
    assert better(middle, private_score(draft, draft.files["public/sample_submission.csv"]))
    assert better(middle, private_score(draft, weak(draft)))
