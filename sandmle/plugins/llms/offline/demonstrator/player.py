"""Plays the demonstrator and the controls that stand beside it: one look, programs of the table, a score. Pure."""

import random
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from sandmle.core.types.message import Message
from sandmle.plugins.llms.offline.agent.conversation import Conversation, Turn
from sandmle.plugins.llms.offline.agent.facts import find_metric
from sandmle.plugins.llms.offline.agent.tags import read_react
from sandmle.plugins.llms.offline.demonstrator.choosing import (
    careful_program,
    demonstrated_program,
    running_program,
    uniform_program,
)
from sandmle.plugins.llms.offline.demonstrator.look import (
    DRAWS,
    FEATURE_RANKS,
    MODEL_RANKS,
    Seen,
    look_code,
    ranked,
    read_look,
)
from sandmle.plugins.llms.offline.demonstrator.programs import Program

MAX_PROGRAMS: Final = 3
"""Programs after which it stops, whatever came of them."""
AGAIN_SHARE: Final = 0.25
"""How often a demonstration tries a second program although the first one ran."""
_RAN: Final = re.compile(r"^cv -?(?:\d|nan|inf)", re.MULTILINE)


class Style(StrEnum):
    """How programs are chosen."""

    DEMONSTRATED = "demonstrated"
    CAREFUL = "careful"
    RUNNING = "running"
    UNIFORM = "uniform"


def play(messages: Sequence[Message], style: Style, sample_index: int) -> str:
    """The next reply. The same conversation, style and index give the same reply."""
    conversation = read_react(messages)
    rng = random.Random(f"{sample_index}\n{conversation.task}")
    turns = conversation.turns
    if not turns:
        return _code(("look",), look_code(_draw(conversation.task, sample_index)))
    ran = [turn for turn in turns[1:] if _RAN.search(turn.response)]
    programs = [turn for turn in turns[1:] if turn.code]
    if turns[-1].stage == "score" and not turns[-1].refused:
        return _answer()
    over = len(programs) >= MAX_PROGRAMS
    if over and turns[-1].stage == "score":
        return _answer()
    if ran and ran[-1] is turns[-1] and (over or not _again(style, programs, rng)):
        return _score()
    if over:
        return _answer()
    return _program(conversation, style, rng, len(programs))


def _draw(task: str, sample_index: int) -> int:
    # Of its own generator, so that what is chosen afterwards does not hang on it.
    return random.Random(f"look\n{sample_index}\n{task}").randrange(DRAWS)


def _again(style: Style, programs: Sequence[Turn], rng: random.Random) -> bool:
    return style is Style.DEMONSTRATED and len(programs) == 1 and rng.random() < AGAIN_SHARE


def _program(conversation: Conversation, style: Style, rng: random.Random, tried: int) -> str:
    seen = read_look(conversation.turns[0].response)
    program = _choose(seen, conversation.task, style, rng, tried)
    features = ranked(program.features, seen.features if seen else (), FEATURE_RANKS)
    model = ranked(program.model, seen.models if seen else (), MODEL_RANKS)
    plan = (*features, program.fill, *model, program.setting, program.output)
    return _code(plan, program.code)


def _choose(seen: Seen | None, task: str, style: Style, rng: random.Random, tried: int) -> Program:
    # Whoever saw nothing can only guess.
    if style is Style.UNIFORM or seen is None:
        return uniform_program(rng)
    if style is Style.RUNNING:
        return running_program(rng, seen)
    if style is Style.CAREFUL:
        return careful_program(seen, find_metric(task), tried)
    return demonstrated_program(rng, seen)


def _code(plan: Sequence[str], code: str) -> str:
    # The plan names each choice on a line of its own, as the look prints it, so that a choice can be copied.
    return "\n".join(("<think>", *plan, "</think>", "<code>", code.rstrip("\n"), "</code>"))


def _score() -> str:
    return '<think>\nscore\n</think>\n<tool_call>\n{"name": "Score", "arguments": {}}\n</tool_call>'


def _answer() -> str:
    return "<think>\nanswer\n</think>\n<answer>submission</answer>"
