"""A control: the policy acts on one task and reads the question and the first look of another.

What is swapped, in every conversation with the policy: the message that asks the question (the task's description as
the scaffold shows it), and the observation after the first turn, when that turn was the look that every demonstration
begins with. Both are those of one other task of the split, one with another metric. Files, programs, errors, scores
and grading stay the task's own. A policy that reads nothing loses nothing by it.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sandmle.core.contracts.llm import ChatModel
from sandmle.core.engine.settings import Settings
from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.hooks.manager import Plugins
from sandmle.core.types.message import Message, ModelReply, ReplyOptions

QUESTION, LOOK, ANSWER = 1, 2, 3
"""Places of the messages in a conversation that begins with a look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a task shows of itself: its question, the code of the look, and what the look prints."""

    question: str
    look: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Swaps:
    """What is shown instead."""

    seed: int
    look: str
    questions: Mapping[str, str]
    answers: Mapping[str, Sequence[str]]
    """What looks print, by the question shown."""

    def of(self, messages: Sequence[Message]) -> list[Message]:
        """The conversation as the policy is to see it."""
        shown = list(messages)
        question = shown[QUESTION].content
        shown[QUESTION] = replace(shown[QUESTION], content=self.questions.get(question, question))
        if len(shown) > ANSWER and _any_draw(shown[LOOK].content) == _any_draw(self.look):
            shown[ANSWER] = replace(shown[ANSWER], content=self._answer(question, shown[ANSWER].content))
        return shown

    def _answer(self, question: str, answer: str) -> str:
        # The same every time that a conversation is seen, whatever order of the rows the policy looked at.
        rng = random.Random(f"{self.seed}\n{question}\n{answer}")
        return rng.choice(self.answers[self.questions[question]]) if question in self.questions else answer


def read_swaps(run: Path, seed: int) -> Swaps:
    """From a run whose every episode began with the look.

    Raises:
        ValueError: none did, or all tasks ask the same.
    """
    views: dict[str, View] = {}
    for episode in read_episodes(run):
        entries = episode.trajectory.segments[0].entries
        if len(entries) > ANSWER:
            question, look, answer = (entries[place].message.content for place in (QUESTION, LOOK, ANSWER))
            views.setdefault(episode.task_id, View(question=question, look=look, answer=answer))
    return swaps((view for _, view in sorted(views.items())), seed)


def swaps(views: Iterable[View], seed: int) -> Swaps:
    """Every question becomes another one, each of them once; every answer that of some task that asks the other one.

    A policy's first turn sees the question alone, so the other task's metric must follow from the question.

    Raises:
        ValueError: there is no other question.
    """
    by_question: dict[str, list[View]] = defaultdict(list)
    for view in views:
        by_question[view.question].append(view)
    rng = random.Random(seed)
    order = sorted(by_question)
    rng.shuffle(order)
    if len(order) < 2:
        raise ValueError("all tasks ask the same question, so none can be swapped")
    questions = dict(zip(order, [*order[1:], order[0]], strict=True))
    answers = {question: tuple(view.answer for view in asked) for question, asked in by_question.items()}
    return Swaps(seed=seed, look=by_question[order[0]][0].look, questions=questions, answers=answers)


def _any_draw(look: str) -> str:
    return re.sub(r"^draw = \d+$", "draw = ", look.strip(), flags=re.MULTILINE)


class ShuffledModel:
    """Asks the model what it would say to the swapped conversation."""

    def __init__(self, model: ChatModel, swapped: Swaps) -> None:
        self._model = model
        self._swapped = swapped

    @property
    def name(self) -> str:
        return self._model.name

    async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        return await self._model.reply(self._swapped.of(messages), options)

    async def close(self) -> None:
        await self._model.close()


class ShuffledToolkit(Toolkit):
    """A toolkit whose models see swapped conversations."""

    def __init__(self, *, plugins: Plugins, settings: Settings, swapped: Swaps) -> None:
        super().__init__(plugins=plugins, settings=settings)
        self._swapped = swapped

    def open_model(self, model: str) -> ChatModel:
        return ShuffledModel(super().open_model(model), self._swapped)
