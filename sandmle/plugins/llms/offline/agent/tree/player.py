"""Plays the scripted agent under a tree search: the next reply, from the one prompt alone. Pure."""

import hashlib
import json
import random
import re
from collections.abc import Sequence
from typing import Final

from sandmle.core.types.message import Message
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Direction, Prediction
from sandmle.plugins.llms.offline.agent.facts import Facts, asks_several, find_metric, read_facts
from sandmle.plugins.llms.offline.agent.player import Strength
from sandmle.plugins.llms.offline.agent.tree.prompts import Request, Wish, look_of, read_request
from sandmle.plugins.llms.offline.agent.weak import Care, quick_cell
from sandmle.plugins.llms.offline.agent.writer import Plan, measured_by, modelling_cell

SEEN: Final = re.compile(r"^# seen: (.*)$", re.MULTILINE)
"""The line of a program in which the agent notes what it knows of the data, since not every prompt shows it again."""
_SCORE: Final = re.compile(r"^Validation score: (\S+) \((higher|lower) is better\)$", re.MULTILINE)
_KEY_ERROR: Final = re.compile(r"KeyError: ['\"]([^'\"]+)['\"]")
_FAILED: Final = re.compile(r"Traceback \(most recent call last\)|\b\w*(?:Error|Exception)\b:|was stopped after")


def play_tree(messages: Sequence[Message], strength: Strength, sample_index: int) -> str | None:
    """The agent's reply to a prompt of a tree search; None when the conversation is another scaffold's."""
    request = read_request(messages)
    if request is None:
        return None
    if request.wish is Wish.REVIEW:
        return _review(request)
    digest = hashlib.sha256(f"{sample_index}\n{request.task}".encode()).digest()
    return _program(request, strength, random.Random(int.from_bytes(digest[:8], "big")))


def _program(request: Request, strength: Strength, rng: random.Random) -> str:
    known = SEEN.search(request.code)
    look = json.loads(known[1]) if known else look_of(request.text)
    facts = read_facts(request.task, look)
    if strength is Strength.WEAK or facts is None:
        words, code = "I fit one plain model on the numbers.", _quick(request, rng)
    else:
        words, code = _modelling(request, strength, facts, rng)
    body = f"# seen: {json.dumps(look)}\n{code.strip()}"
    return f"<think>\n{_thought(request)}\n</think>\n{words}\n\n```python\n{body}\n```"


def _modelling(request: Request, strength: Strength, facts: Facts, rng: random.Random) -> tuple[str, str]:
    debugging = request.wish is Wish.DEBUG
    blamed = tuple(dict.fromkeys(_KEY_ERROR.findall(request.printed)))
    search = strength is Strength.STRONG or request.wish is Wish.IMPROVE
    plan = Plan(facts=facts, search=search, simple=debugging and not blamed, leave_out=blamed)
    direction = METRICS[facts.metric].direction
    sign = "-" if direction is Direction.MINIMIZE else ""
    better = "lower" if direction is Direction.MINIMIZE else "higher"
    scoring = (
        f"value = {sign}quality({measured_by(facts.metric)!r}, target, held_out)\n"
        f'print(f"Validation score: {{value:.6g}} ({better} is better)")'
    )
    if facts.several:
        scoring = 'print(f"Validation score: {error:.6g} (lower is better)")'
    words = "I search views of the data and models, and blend." if search else "I take the best of a few models."
    return words, f"{modelling_cell(plan, rng, 'repair' if debugging else 'model')}\n{scoring}"


def _quick(request: Request, rng: random.Random) -> str:
    prediction = METRICS[find_metric(request.task) or "accuracy"].prediction
    debugging = request.wish is Wish.DEBUG
    # A beginner forgets either thing now and then, until told.
    care = Care(missing=debugging or rng.random() < 0.5, names=debugging or rng.random() < 0.7, negative=debugging)
    regression = prediction is Prediction.VALUE
    chances = prediction in (Prediction.PROBABILITY, Prediction.LABELS)
    stage, several = "repair" if debugging else "model", asks_several(request.task)
    code = quick_cell(regression, chances, care, rng, stage, several=several)
    # Measured on the rows that were fitted, as a beginner does.
    scoring = 'print(f"Validation score: {model.score(features(train), train[target]):.6g} (higher is better)")'
    return f"{code}\n{scoring}"


def _thought(request: Request) -> str:
    lines = [line for line in request.printed.strip().splitlines() if line.strip()]
    match request.wish:
        case Wish.DEBUG:
            return f"It failed: {lines[-1][:200] if lines else 'nothing was printed'}. I change what failed."
        case Wish.IMPROVE:
            return "It works. I see whether more models and features do better."
        case _:
            return "A new design."


def _review(request: Request) -> str:
    score = _SCORE.search(request.printed)
    failed = _FAILED.search(request.printed) is not None or "WROTE submission.csv" not in request.printed
    summary = "It failed; the last line of its output says where." if failed else "It ran and wrote its submission."
    answer = {
        "is_bug": failed,
        "summary": summary,
        "metric": float(score[1]) if score and not failed else None,
        "lower_is_better": bool(score and score[2] == "lower"),
    }
    return f"<think>\nI read what it printed.\n</think>\n{json.dumps(answer)}"
