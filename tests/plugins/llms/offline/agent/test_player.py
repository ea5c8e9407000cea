"""The scripted agent's replies, from conversations alone."""

import json

import pytest

from sandmle.core.engine.settings import RunSettings
from sandmle.core.types.message import Message
from sandmle.core.types.trajectory import ActionKind
from sandmle.plugins.llms.offline.agent.player import MAX_TRIES, Strength, play
from sandmle.scaffolds.react.parse import read_reply

STRENGTHS = list(Strength)


def task(metric, target="y"):
    return [
        Message(role="system", content="Rules."),
        Message(role="user", content=f"Predict {target}. The metric is `{metric}`."),
    ]


def saw(target="y", kind="number"):
    columns = [
        {"name": "id", "kind": "number", "unique": 100, "in_test": True},
        {"name": "x", "kind": "number", "unique": 100, "in_test": True},
        {"name": target, "kind": kind, "unique": 3, "in_test": False},
    ]
    lines = ["FILES {}", "SAMPLE " + json.dumps({"columns": ["id", target], "first": ["1", "0"]})]
    return "\n".join(lines + ["COLUMN " + json.dumps(column) for column in columns])


def going_on(messages, strength, *responses, sample_index=0):
    """The reply after the agent's own replies were answered with `responses`."""
    messages = list(messages)
    for response in responses:
        messages.append(Message(role="assistant", content=play(messages, strength, sample_index)))
        messages.append(Message(role="user", content=f"<tool_response>\n{response}\n</tool_response>"))
    return play(messages, strength, sample_index)


def action(reply):
    read = read_reply(reply)
    assert len(read.actions) == 1
    return read.actions[0]


WROTE = "WROTE submission.csv (100, 2)"


@pytest.mark.parametrize("strength", STRENGTHS)
def test_it_looks_models_scores_and_answers(strength):
    steps = [saw(), WROTE, "The submission is valid."]
    replies = [going_on(task("mae"), strength, *steps[:count]) for count in range(4)]
    assert [action(reply).kind for reply in replies[:3]] == [
        ActionKind.RUN_CODE,
        ActionKind.RUN_CODE,
        ActionKind.SUBMIT,
    ]
    assert read_reply(replies[3]).answered
    assert all(reply.startswith("<think>\n") for reply in replies)
    for reply in replies[:2]:
        compile(action(reply).code, "cell", "exec")


@pytest.mark.parametrize("strength", STRENGTHS)
def test_swapping_two_prompts_swaps_the_answers(strength):
    one, other = task("mae"), task("accuracy", "label")
    first = going_on(one, strength, saw())
    second = going_on(other, strength, saw("label", "text"))
    assert first != second
    assert going_on(other, strength, saw("label", "text")) == second
    assert going_on(one, strength, saw()) == first


def test_nothing_but_the_conversation_decides():
    described = going_on(task("mae"), Strength.MIDDLE, saw("depth"))
    assert "train['depth']" in described
    assert "train['y']" not in described


@pytest.mark.parametrize("strength", STRENGTHS)
def test_other_samples_of_a_task_differ_and_the_same_sample_does_not(strength):
    replies = [going_on(task("mae"), strength, saw(), sample_index=index) for index in range(8)]
    again = [going_on(task("mae"), strength, saw(), sample_index=index) for index in range(8)]
    assert replies == again
    assert len(set(replies)) > 1


@pytest.mark.parametrize("strength", [Strength.MIDDLE, Strength.STRONG])
def test_a_traceback_makes_it_write_something_simpler(strength):
    failed = "Traceback (most recent call last):\nValueError: bad shape"
    first, second = (going_on(task("mae"), strength, saw(), *failures) for failures in ((), (failed,)))
    assert len(action(second).code) < len(action(first).code)
    assert "ValueError: bad shape" in second


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("metric", ["rmse", "qwk", "log_loss"])
@pytest.mark.parametrize("column", [{"words": 12.0}, {"example": "p1.png"}, {}])
def test_a_reply_fits_the_default_token_limit(strength, metric, column):
    kind = {"name": "payload", "kind": "text" if column else "number", "unique": 99, "in_test": True, **column}
    seen = saw().replace("FILES {}", 'FILES {"images": 500}') + "\nCOLUMN " + json.dumps(kind)
    assert len(going_on(task(metric), strength, seen)) < 4 * RunSettings().max_tokens


def test_a_reply_that_was_cut_is_written_shorter():
    cut = "Nothing was done: the reply was cut by the token limit in the middle of its code; nothing was run."
    lengths = [len(going_on(task("rmse"), Strength.STRONG, saw(), *[cut] * count)) for count in range(3)]
    assert lengths[0] > lengths[1] > lengths[2]


def test_a_missing_column_is_left_out():
    failed = "Traceback (most recent call last):\nKeyError: 'x'"
    assert "leave_out=['id', 'x', 'y']" in action(going_on(task("mae"), Strength.MIDDLE, saw(), failed)).code


@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_refused_submission_is_written_anew(strength):
    refused = "The submission is not valid: the header has no column 'y'"
    reply = going_on(task("mae"), strength, saw(), WROTE, refused)
    assert "# stage: repair" in action(reply).code
    assert "not valid" in reply


def test_the_weak_agent_learns_of_missing_values_from_the_traceback():
    failed = "Traceback (most recent call last):\nValueError: Input X contains NaN."
    for index in range(8):
        assert ".fillna(0)" in going_on(task("mae"), Strength.WEAK, saw(), failed, sample_index=index)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_when_nothing_works_it_hands_in_the_sample_submission_and_stops(strength):
    failed = ["Traceback (most recent call last):\nValueError: no"] * MAX_TRIES
    last = going_on(task("mae"), strength, saw(), *failed)
    assert "sample_submission.csv" in action(last).code
    end = going_on(task("mae"), strength, saw(), *failed, WROTE, "The submission is not valid: x")
    assert read_reply(end).answered


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("response", ["", "</tool_response>", "\x00", "Status: timeout", "{" * 1000])
def test_any_response_gets_an_action_or_an_answer(strength, response):
    reply = going_on(task("mae"), strength, *[response] * 4)
    read = read_reply(reply)
    assert read.answered or all(one.kind is not ActionKind.INVALID for one in read.actions)
