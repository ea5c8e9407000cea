"""The demonstrator and its controls as functions from text to text."""

import random
from collections import Counter

import pytest

from sandmle.core.types.message import Message
from sandmle.plugins.llms.offline.demonstrator.choosing import (
    FITTING_SHARE,
    careful_program,
    demonstrated_program,
    running_program,
    uniform_program,
)
from sandmle.plugins.llms.offline.demonstrator.look import DRAWS, Seen, look_code
from sandmle.plugins.llms.offline.demonstrator.player import MAX_PROGRAMS, Style, play
from sandmle.plugins.llms.offline.demonstrator.programs import FEATURES, MODELS, OUTPUTS, every_program
from sandmle.plugins.llms.offline.models import PLAYERS

LOOK = """gaps: some
target: values
features:
best
squares
second
num
third
sincos
fourth
steps
models:
leader
boosting
follower
linear
runner-up
sparse"""
SEEN = Seen(
    features=("squares", "num", "sincos", "steps"), models=("boosting", "linear", "sparse"), gaps=True, values=True
)
LOOKS = {look_code(draw).strip() for draw in range(DRAWS)}
CODES = {one.code.strip(): one for one in every_program()}


def opening(metric: str = "rmsle") -> list[Message]:
    return [
        Message(role="system", content="Write submission.csv."),
        Message(role="user", content=f"## Metric\n\nSubmissions are scored by `{metric}`: something."),
    ]


def told(messages: list[Message], style: Style, response: str, index: int = 0) -> list[Message]:
    reply = play(messages, style, index)
    answer = f"<tool_response>\n{response}\n</tool_response>"
    return [*messages, Message(role="assistant", content=reply), Message(role="user", content=answer)]


def code_of(reply: str) -> str:
    return reply.partition("<code>\n")[2].partition("\n</code>")[0]


def plan_of(reply: str) -> list[str]:
    return reply.partition("<think>\n")[2].partition("\n</think>")[0].split("\n")


@pytest.mark.parametrize("style", Style)
def test_it_looks_writes_a_program_has_it_scored_and_answers(style):
    messages = told(opening(), style, f"Status: ok\n{LOOK}")
    assert code_of(messages[-2].content) in LOOKS
    messages = told(messages, style, "Status: ok\ncv 0.50", index=3)
    assert code_of(messages[-2].content) in CODES
    while "cv" in messages[-1].content and "<code>" in play(messages, style, 1):
        messages = told(messages, style, "Status: ok\ncv 0.50", index=1)
    messages = told(messages, style, "The submission is valid.", index=1)
    assert '"Score"' in messages[-2].content
    assert play(messages, style, 1).endswith("<answer>submission</answer>")


def test_every_reply_thinks_first_and_plans_what_it_then_writes():
    messages = told(opening(), Style.DEMONSTRATED, LOOK)
    for index in range(40):
        reply = play(messages, Style.DEMONSTRATED, index)
        one = CODES[code_of(reply)]
        rank = dict(zip(SEEN.features, ("best", "second", "third", "fourth"), strict=True)).get(
            one.features, "unlisted"
        )
        place = dict(zip(SEEN.models, ("leader", "follower", "runner-up"), strict=True)).get(one.model, "unlisted")
        assert plan_of(reply) == [rank, one.features, one.fill, place, one.model, one.setting, one.output]


@pytest.mark.parametrize("style", Style)
def test_after_a_crash_it_tries_again_and_gives_up_in_the_end(style):
    messages = told(opening(), style, LOOK)
    for number in range(MAX_PROGRAMS):
        messages = told(messages, style, "Status: error\nKeyError: 'text'", index=number)
        assert "<code>" in messages[-2].content
    assert play(messages, style, 9).endswith("<answer>submission</answer>")


def test_a_refused_submission_leads_to_another_program():
    messages = told(opening(), Style.UNIFORM, LOOK)
    messages = told(messages, Style.UNIFORM, "Status: ok\ncv 0.10")
    messages = told(messages, Style.UNIFORM, "The submission is not valid: no numbers.")
    assert code_of(play(messages, Style.UNIFORM, 5)) in CODES


def test_it_depends_on_the_conversation_and_the_index_alone():
    messages = told(opening(), Style.DEMONSTRATED, LOOK)
    replies = [play(messages, Style.DEMONSTRATED, index) for index in range(20)]
    assert replies == [play(messages, Style.DEMONSTRATED, index) for index in range(20)]
    assert len(set(replies)) > 15


def test_another_index_looks_at_the_rows_in_another_order():
    assert {code_of(play(opening(), Style.DEMONSTRATED, index)) for index in range(80)} == LOOKS


def test_demonstrations_fit_what_was_seen_about_as_often_as_they_say_and_settings_are_uniform():
    rng = random.Random(1)
    drawn = [demonstrated_program(rng, SEEN) for _ in range(4000)]
    among = Counter(one.features for one in drawn)
    promising = sum(among[name] for name in SEEN.features[:3]) / len(drawn)
    assert promising == pytest.approx(FITTING_SHARE + (1 - FITTING_SHARE) * 3 / len(FEATURES), abs=0.03)
    assert among["squares"] > 1.3 * among["num"] > 1.3 * 1.3 * among["sincos"]
    assert set(among) == set(FEATURES)
    listed = sum(one.model in SEEN.models for one in drawn) / len(drawn)
    assert listed == pytest.approx(FITTING_SHARE + (1 - FITTING_SHARE) * 3 / len(MODELS), abs=0.03)
    kinds = Counter(one.model for one in drawn)
    assert kinds["boosting"] > kinds["linear"] > kinds["sparse"] > kinds["forest"]
    assert sum(one.setting == "a" for one in drawn) / len(drawn) == pytest.approx(0.5, abs=0.03)
    values = sum(OUTPUTS[one.output].task_type == "values" for one in drawn) / len(drawn)
    assert values == pytest.approx(FITTING_SHARE + (1 - FITTING_SHARE) / 2, abs=0.03)


def test_the_running_control_draws_only_what_was_listed_and_the_uniform_one_anything():
    rng = random.Random(2)
    running = [running_program(rng, SEEN) for _ in range(300)]
    assert {one.features for one in running} == set(SEEN.features)
    assert {one.fill for one in running} == {"median"}
    assert {one.output for one in running} == {"value", "log"}
    assert {uniform_program(rng).features for _ in range(1000)} == set(FEATURES)


@pytest.mark.parametrize(("metric", "output"), [("rmsle", "log"), ("mae", "value"), ("", "value")])
def test_the_careful_reader_takes_the_first_of_each_list_and_the_metrics_output(metric, output):
    one = careful_program(SEEN, metric, 0)
    assert (one.features, one.fill, one.model, one.output) == ("squares", "median", "boosting", output)
    assert careful_program(SEEN, metric, 1).model == "linear"


def test_the_careful_player_reads_the_metric_from_the_prompt():
    plans = {
        metric: plan_of(play(told(opening(metric), Style.CAREFUL, LOOK), Style.CAREFUL, 0))[-1]
        for metric in ("rmsle", "rmse", "log_loss", "f1_macro")
    }
    assert plans == {"rmsle": "log", "rmse": "value", "log_loss": "probability", "f1_macro": "label"}


def test_who_saw_nothing_guesses():
    messages = told(opening(), Style.CAREFUL, "Status: error\nNameError: x")
    assert code_of(play(messages, Style.CAREFUL, 0)) in CODES


def test_all_four_are_models_of_the_offline_provider():
    names = ("demonstrator", "demonstrator-conditional", "random-program", "random-running-program")
    assert all(code_of(PLAYERS[name](opening(), 0)) in LOOKS for name in names)
