"""Has the demonstrator speak the protocol of every scaffold: what was said is put into ReAct's words, and back. Pure.

It looks at the files where a cell can be written as lines (ReAct, CodeAct). Where code is a string in JSON, or nothing
is shown before the program is written, it goes by the description alone: a small policy that imitates it then has a
short reply to learn.
"""

import json
import re
from collections.abc import Sequence
from typing import Final

from sandmle.core.types.message import Message, ModelReply
from sandmle.plugins.llms.offline.agent import dojo
from sandmle.plugins.llms.offline.agent.conversation import Conversation
from sandmle.plugins.llms.offline.agent.dialects import CODEACT, MLE_DOJO, REACT, Dialect, dialect_of
from sandmle.plugins.llms.offline.agent.speech import Utterance, Wish
from sandmle.plugins.llms.offline.agent.tree.prompts import Request, read_request
from sandmle.plugins.llms.offline.agent.tree.prompts import Wish as Operator
from sandmle.plugins.llms.offline.demonstrator.guessing import guess_from_description, guess_from_program
from sandmle.plugins.llms.offline.demonstrator.player import Style, play

PLAN: Final = "I write one program."
"""Some tree searches take no program without words before it."""
_THOUGHT: Final = re.compile(r"<think>\n(.*?)\n</think>", re.DOTALL)
_CODE: Final = re.compile(r"<code>\n(.*?)\n</code>", re.DOTALL)
_CV: Final = re.compile(r"^cv (\S+)$", re.MULTILINE)
_SUBMISSION: Final = "\n\nSubmission:\n"
"""Before what a protocol tells of a submission, where running a program also submits."""
_LOOK: Final = "<code>\nlook\n</code>"


def play_in_protocol(messages: Sequence[Message], style: Style, sample_index: int) -> str | ModelReply:
    """The next reply, in the protocol that the conversation opens with."""
    request = read_request(messages)
    if request is not None:
        return _tree(request, style, sample_index)
    dialect = dialect_of(messages)
    if dialect is REACT:
        return play(messages, style, sample_index)
    conversation = dialect.read(messages)
    if not conversation.task:
        return _written(dialect, Utterance(wish=Wish.ASK, thought="ask"))
    guess = None if dialect is CODEACT else guess_from_description(conversation.task)
    return _written(dialect, _heard(play(_as_react(conversation, guess), style, sample_index)))


def _tree(request: Request, style: Style, sample_index: int) -> str:
    if request.wish is Operator.REVIEW:
        return _review(request.printed)
    known = guess_from_program(request.code) if request.wish is Operator.IMPROVE else None
    opening = Conversation(task=request.text, turns=())
    guess = known or guess_from_description(request.task)
    said = _heard(play(_as_react(opening, guess), style, sample_index))
    return f"<think>\n{said.thought}\n</think>\n{PLAN}\n```python\n{said.code}\n```"


def _review(printed: str) -> str:
    """Every score that a program of the table prints is better when higher."""
    scored = _CV.search(printed)
    try:
        metric = None if scored is None else float(scored[1])
    except ValueError:
        metric = None
    if metric is not None and not abs(metric) < float("inf"):
        metric = None
    summary = "it failed" if scored is None else "it ran"
    answer = {"is_bug": scored is None, "summary": summary, "metric": metric, "lower_is_better": False}
    return json.dumps(answer)


def _as_react(conversation: Conversation, guess: str | None) -> list[Message]:
    """The conversation in ReAct's words, with a guess in place of the look that was not taken."""
    messages = [Message(role="user", content=conversation.task)]
    if guess is not None:
        messages += _exchange(_LOOK, guess)
    for turn in conversation.turns:
        ran, submission, verdict = turn.response.partition(_SUBMISSION)
        said = '{"name": "Score"}' if turn.stage == "score" else f"<code>\n{turn.code}\n</code>" if turn.code else ""
        messages += _exchange(said, ran)
        if submission and turn.stage != "score":
            messages += _exchange('{"name": "Score"}', verdict)
    return messages


def _exchange(said: str, heard: str) -> list[Message]:
    response = f"<tool_response>\n{heard}\n</tool_response>"
    return [Message(role="assistant", content=said), Message(role="user", content=response)]


def _heard(reply: str) -> Utterance:
    """A reply in ReAct's words as what it wishes."""
    thought, code = _THOUGHT.search(reply), _CODE.search(reply)
    said = thought[1] if thought else ""
    if code:
        return Utterance(wish=Wish.RUN, thought=said, code=code[1], submits="submission.csv" in code[1])
    return Utterance(wish=Wish.SCORE if '"Score"' in reply else Wish.FINISH, thought=said)


def _written(dialect: Dialect, said: Utterance) -> str | ModelReply:
    if dialect is MLE_DOJO and said.wish is Wish.RUN:
        # The plan stands before the fence: inside of it there is room for the object alone.
        return f"<think>\n{said.thought}\n</think>\n```json\n{dojo.write(said)}\n```"
    return dialect.write(said)
