"""The demonstrator in every protocol, as text to text: what a scaffold shows it, and what its parser then reads."""

import json
import re

import pytest

from sandmle.core.types.message import Message, ModelReply
from sandmle.core.types.trajectory import ActionKind
from sandmle.plugins.llms.offline.demonstrator.guessing import guess_from_description, guess_from_program
from sandmle.plugins.llms.offline.demonstrator.look import read_look
from sandmle.plugins.llms.offline.demonstrator.player import Style, play
from sandmle.plugins.llms.offline.demonstrator.programs import every_program
from sandmle.plugins.llms.offline.demonstrator.protocols import play_in_protocol
from sandmle.scaffolds.codeact.parse import read_reply as read_codeact
from sandmle.scaffolds.common.tree.reading import Program, Review, read_program, read_review
from sandmle.scaffolds.mle_agent.parse import read_decision
from sandmle.scaffolds.openai_tools.tools import action_of
from sandmle.scaffolds.single_turn.parse import read_program as read_single

DESCRIPTION = """# Task

| column | kind | meaning |
|---|---|---|
| `row` | id | number |
| `{name}` | {kind} | what was seen |
| `answer` | target | what is asked |

## Metric

Submissions are scored by `{metric}`: something."""
CODES = {one.code.strip(): one for one in every_program()}
RAN = "Status: ok\ncv 0.53"
LOOK = "gaps: none\ntarget: values\nfeatures:\nsquares\nnum\nmodels:\nlinear\nknn"


def description(kind="number", metric="rmse"):
    return DESCRIPTION.format(name="x", kind=kind, metric=metric)


def said(messages, style=Style.DEMONSTRATED, index=0):
    return play_in_protocol([Message(role=role, content=content) for role, content in messages], style, index)


def program_of(code):
    """The choices of a program; it must be one of the table."""
    return CODES[code.strip()]


def test_react_is_spoken_as_before():
    messages = [Message(role="system", content="Write submission.csv."), Message(role="user", content=description())]
    assert play_in_protocol(messages, Style.CAREFUL, 3) == play(messages, Style.CAREFUL, 3)


def test_codeact_looks_writes_submits_and_ends():
    talk = [("user", f"Answer with <execute> or <solution>.\n{description()}")]
    cells = []
    for heard in (LOOK, RAN, "valid"):
        reply = said(talk, Style.CAREFUL)
        read = read_codeact(reply)
        cells += [(one.kind, one.code) for one in read.actions]
        talk += [("assistant", reply), ("user", f"Observation:\n{heard}")]
    assert [kind for kind, _ in cells] == [ActionKind.RUN_CODE, ActionKind.RUN_CODE, ActionKind.SUBMIT]
    assert program_of(cells[1][1]).features == "squares"
    assert read_codeact(said(talk, Style.CAREFUL)).done


def test_mle_agent_asks_then_submits_a_program_and_idles():
    talk = [("user", 'request_info, validate_code... {"action": "request_info"}')]
    decisions = []
    results = (
        description(metric="roc_auc"),
        f"The code ran without an error.\nOutput:\ncv 0.71\n\nSubmission:\n{RAN}",
        "the working directory",
    )
    for result in results:
        reply = said(talk, Style.CAREFUL)
        decisions.append(read_decision(reply))
        talk += [
            ("assistant", reply),
            ("user", f"It came to:\n\n#### Results ####\n{result}\n#### End of results ####"),
        ]
    assert [one.operator for one in decisions] == ["request_info", "execute_code", "request_info"]
    assert decisions[0].argument == "overview"
    assert program_of(decisions[1].argument).output == "probability"


def test_mle_agent_writes_another_program_when_a_submission_is_refused():
    talk = [("user", 'one JSON object such as {"action": "request_info"}')]
    refused = "The code ran without an error.\nOutput:\ncv 0.71\n\nSubmission:\nThe submission is not valid: no ids"
    for result in (description(), refused):
        talk += [("assistant", said(talk)), ("user", f"#### Error ####\n{result}\n#### End of error ####")]
    assert read_decision(said(talk)).operator == "execute_code"


def test_functions_are_called_natively_and_as_text():
    native = said([("user", f"Call `run_python`.\n{description()}")])
    assert isinstance(native, ModelReply)
    action = action_of(native.tool_calls[0])
    assert (action.kind, bool(program_of(action.code))) == (ActionKind.RUN_CODE, True)
    spelled = said([("user", f"Call `run_python` between <tool_call> tags.\n{description()}")])
    call = json.loads(re.search(r"<tool_call>\n(.*)\n</tool_call>", spelled)[1])
    assert program_of(call["arguments"]["code"])


def test_a_single_turn_holds_one_program_that_fits_the_description():
    for kind, known in (("image", {"pixels", "quarters", "waves", "marks"}), ("text", {"words", "pairs", "first"})):
        reply = said([("user", f"Answer with a single program.\n{description(kind)}")], Style.CAREFUL)
        assert program_of(read_single(reply).code).features in known


@pytest.mark.parametrize("heading", ["## Memory of earlier designs", "## The solution with the bug"])
def test_tree_searches_get_a_plan_and_a_program(heading):
    prompt = f"## Task\n\n{description()}\n\n{heading}\n\n```python\nprint(1)\n```"
    read = read_program(said([("system", "s"), ("user", prompt)]), needs_plan=True)
    assert isinstance(read, Program)
    assert read.plan
    assert program_of(read.code)


def test_an_improvement_keeps_the_representation():
    before = next(one for one in every_program() if (one.features, one.output) == ("ratios", "log"))
    prompt = f"## Task\n\n{description()}\n\n## The solution so far\n\n```python\n{before.code}```"
    read = read_program(said([("system", "s"), ("user", prompt)], Style.RUNNING), needs_plan=True)
    assert program_of(read.code).features == "ratios"


@pytest.mark.parametrize(
    ("printed", "is_bug", "metric"),
    [("cv 0.53", False, 0.53), ("cv -1.20", False, -1.2), ("cv nan", False, None), ("KeyError: 'x'", True, None)],
)
def test_reviews_say_what_was_printed(printed, is_bug, metric):
    prompt = (
        f"## Task\n\n{description()}\n\n## Program\n\n```python\nprint(1)\n```\n\n## What running it printed\n\n"
        f"```\n{printed}\n```\n\n## Your review\n\n- `is_bug`: true or false"
    )
    read = read_review(said([("system", "s"), ("user", prompt)]))
    assert isinstance(read, Review)
    assert (read.is_bug, read.metric, read.lower_is_better) == (is_bug, metric, False)


def test_every_program_of_the_table_is_known_again_from_its_text():
    for one in every_program():
        seen = read_look(guess_from_program(f"# a comment\n{one.code}"))
        assert (seen.features, seen.values) == ((one.features,), one.output in ("value", "log"))
    assert guess_from_program("import pandas") is None


def test_a_guess_can_be_read_as_a_look():
    for metric, values in (("rmse", True), ("accuracy", False), ("roc_auc", False)):
        assert read_look(guess_from_description(description(metric=metric))).values is values
    assert read_look(guess_from_description("nothing is known")).features


def test_the_same_conversation_gives_the_same_reply():
    talk = [("user", f"Answer with a single program.\n{description()}")]
    assert said(talk, index=5) == said(talk, index=5)
    assert len({said(talk, index=n) for n in range(20)}) > 5
