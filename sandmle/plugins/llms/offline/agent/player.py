"""Plays the scripted agent: the next reply, from the conversation alone. Pure."""

import hashlib
import random
import re
from collections.abc import Sequence
from enum import StrEnum

from sandmle.core.types.message import Message, ModelReply
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Prediction
from sandmle.plugins.llms.offline.agent.conversation import Conversation, Turn
from sandmle.plugins.llms.offline.agent.dialects import dialect_of
from sandmle.plugins.llms.offline.agent.facts import asks_several, find_metric, read_facts
from sandmle.plugins.llms.offline.agent.speech import Utterance, Wish
from sandmle.plugins.llms.offline.agent.weak import Care, glance_cell, quick_cell
from sandmle.plugins.llms.offline.agent.writer import Plan, fallback_cell, look_cell, modelling_cell

MAX_TRIES = 4
"""Modelling cells after which the agent hands in what it has."""
_KEY_ERROR = re.compile(r"KeyError: ['\"]([^'\"]+)['\"]")


class Strength(StrEnum):
    WEAK = "weak"
    MIDDLE = "middle"
    STRONG = "strong"


def play(messages: Sequence[Message], strength: Strength, sample_index: int) -> str | ModelReply:
    """The agent's next reply, in the protocol that the conversation opens with.

    The same conversation, strength and index give the same reply.
    """
    dialect = dialect_of(messages)
    conversation = dialect.read(messages)
    if not conversation.task:
        return dialect.write(Utterance(wish=Wish.ASK, thought="I ask for the task first."))
    return dialect.write(_next(conversation, strength, sample_index, one_shot=dialect.one_shot))


def _next(conversation: Conversation, strength: Strength, sample_index: int, *, one_shot: bool) -> Utterance:
    digest = hashlib.sha256(f"{sample_index}\n{conversation.task}".encode()).digest()
    rng = random.Random(int.from_bytes(digest[:8], "big"))
    last = conversation.turns[-1] if conversation.turns else None
    if last is None and one_shot:
        cell = _weak_cell(conversation, rng, "model") if strength is Strength.WEAK else _blind_cell(conversation, rng)
        return _code("I cannot look, so I write what works on any table.", cell, submits=True)
    if last is None:
        cell = glance_cell() if strength is Strength.WEAK else look_cell()
        return _code("I look at the files first.", cell)
    if last.stage in ("model", "repair") and not last.failed:
        return _score("The cell wrote submission.csv; I have it looked at.")
    if last.stage == "score" and not last.refused:
        return _answer(f"The submission was taken ({_first_line(last)}). I am done.")
    tries = conversation.count("model", "repair")
    if tries >= MAX_TRIES:
        if conversation.count("score") and last.stage == "score":
            return _answer("I could not get any further.")
        return _code("Nothing has worked; I hand in the sample submission.", fallback_cell("repair"), submits=True)
    thought = "Now I model it." if tries == 0 else f"That did not work: {_complaint(last)}. I change what failed."
    stage = "repair" if tries else "model"
    if strength is Strength.WEAK:
        return _code(thought, _weak_cell(conversation, rng, stage), submits=True)
    return _code(thought, _modelling(conversation, strength, rng, stage, tries), submits=True)


def _weak_cell(conversation: Conversation, rng: random.Random, stage: str) -> str:
    prediction = METRICS[find_metric(conversation.task) or "accuracy"].prediction
    told = "\n".join(turn.response for turn in conversation.turns)
    # A beginner forgets either thing now and then, until told.
    forgets_missing, forgets_names = rng.random() < 0.5, rng.random() < 0.3
    scored_badly = any(turn.stage == "score" and turn.refused for turn in conversation.turns)
    care = Care(
        missing="NaN" in told or not forgets_missing, names=scored_badly or not forgets_names, negative=scored_badly
    )
    return _quick(conversation, prediction, care, rng, stage)


def _quick(conversation: Conversation, prediction: Prediction, care: Care, rng: random.Random, stage: str) -> str:
    chances = prediction in (Prediction.PROBABILITY, Prediction.LABELS)
    several = asks_several(conversation.task)
    return quick_cell(prediction is Prediction.VALUE, chances, care, rng, stage, several=several)


def _blind_cell(conversation: Conversation, rng: random.Random) -> str:
    """The plain model that needs no look, with all the care that is known beforehand."""
    return _careful_cell(conversation, rng, "model", negative=find_metric(conversation.task) == "rmsle")


def _careful_cell(conversation: Conversation, rng: random.Random, stage: str, *, negative: bool) -> str:
    prediction = METRICS[find_metric(conversation.task) or "accuracy"].prediction
    care = Care(missing=True, names=True, negative=negative)
    return _quick(conversation, prediction, care, rng, stage)


def _modelling(conversation: Conversation, strength: Strength, rng: random.Random, stage: str, tries: int) -> str:
    look = conversation.last("look")
    facts = read_facts(conversation.task, look.response if look else "")
    cuts = sum("token limit" in turn.response for turn in conversation.turns)
    if facts is None or cuts > 1:
        # The look failed or there is no room: all that is left is what a beginner would do, with care.
        return _careful_cell(conversation, rng, stage, negative=False)
    blamed = [name for turn in conversation.turns for name in _KEY_ERROR.findall(turn.response)]
    plan = Plan(
        facts=facts,
        search=strength is Strength.STRONG,
        simple=cuts > 0 or tries > (1 if blamed else 0),
        leave_out=tuple(dict.fromkeys(blamed)),
    )
    return modelling_cell(plan, rng, stage)


def _complaint(turn: Turn) -> str:
    lines = [line.strip() for line in turn.response.splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"\w*(Error|Exception)\b", line) or "nvalid" in line]
    return (telling or lines or ["nothing came back"])[-1][:200]


def _first_line(turn: Turn) -> str:
    return next((line.strip() for line in turn.response.splitlines() if line.strip()), "no words")[:160]


def _code(thought: str, code: str, *, submits: bool = False) -> Utterance:
    return Utterance(wish=Wish.RUN, thought=thought, code=code, submits=submits)


def _score(thought: str) -> Utterance:
    return Utterance(wish=Wish.SCORE, thought=thought)


def _answer(thought: str) -> Utterance:
    return Utterance(wish=Wish.FINISH, thought=thought)
