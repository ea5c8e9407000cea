"""CodeAct: code as actions, output as observations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.core.conformance.scaffold import ScriptedEpisode, check_scaffold, play
from sandmle.core.contracts.scaffold import EpisodeLimits
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.trajectory import ActionKind, Observation, StopReason
from sandmle.scaffolds.codeact.config import CodeActConfig
from sandmle.scaffolds.codeact.parse import read_reply
from sandmle.scaffolds.codeact.scaffold import CodeActScaffold

CODE = "I look.\n<execute>\nprint(1)\n</execute>"
SUBMIT = "<execute>\nfit()\nsubmit()\n</execute>"
DONE = "That is it.\n<solution>submission</solution>"


def read(text, **options):
    reply = read_reply(text, **options)
    return [action.code or action.kind.value for action in reply.actions]


@pytest.fixture(scope="module")
def scaffold():
    return CodeActScaffold(CodeActConfig())


async def test_it_keeps_the_scaffold_contract(scaffold):
    await check_scaffold(scaffold, [CODE, SUBMIT, DONE])


async def test_code_runs_until_it_says_it_is_done(scaffold):
    episode = ScriptedEpisode([CODE, SUBMIT, DONE], lambda action: Observation(text=action.code, cell=CellStatus.OK))
    assert await play(scaffold, episode) is StopReason.FINISHED
    assert [action.kind.value for action in episode.actions] == ["run_code", "run_code", "submit", "finish"]
    assert episode.asked[1][-1].content == "Observation:\nStatus: ok\nprint(1)"


async def test_each_conversation_extends_the_last_with_the_reply_unchanged(scaffold):
    episode = ScriptedEpisode([CODE + "\nObservation:\nmade up", SUBMIT, DONE])
    await play(scaffold, episode)
    for earlier, later, reply in zip(episode.asked, episode.asked[1:], episode.replies, strict=False):
        assert later[: len(earlier)] == earlier
        assert later[len(earlier)].content == reply
    assert "was ignored" in episode.asked[1][-1].content
    assert "made up" not in episode.asked[1][-1].content


async def test_three_replies_without_code_end_it_as_stalled(scaffold):
    episode = ScriptedEpisode(["hm", CODE, "hm", "hm", "hm"])
    assert await play(scaffold, episode) is StopReason.STALLED
    assert "Expected code to run" in episode.asked[-1][-1].content


async def test_the_turn_limit_ends_an_episode_and_never_the_graphs_own(scaffold):
    limits = EpisodeLimits(max_turns=40, cell_timeout_s=5.0, episode_timeout_s=60.0, max_scored_submissions=3)
    episode = ScriptedEpisode([CODE], limits=limits)
    assert await play(scaffold, episode) is StopReason.MAX_TURNS
    assert len(episode.actions) == 40


async def test_an_observation_is_capped():
    scaffold = CodeActScaffold(CodeActConfig(observation_chars=200))
    episode = ScriptedEpisode([CODE, DONE], lambda action: Observation(text="x" * 9999, cell=CellStatus.OK))
    await play(scaffold, episode)
    assert len(episode.asked[1][-1].content) < 300


@pytest.mark.parametrize(
    ("text", "asked_for"),
    [
        (CODE, ["print(1)"]),
        ("```python\nprint(1)\n```", ["print(1)"]),
        ("<execute>\n```python\nprint(1)\n```\n</execute>", ["print(1)"]),
        ("<execute>print(1)", ["print(1)"]),
        ("<execute>a</execute> and <execute>b</execute>", ["a\nb"]),
        ("```\na\n```\nthen\n```py\nb\n```", ["a\nb"]),
        ("<execute>\nx\nsubmit()  # now\n</execute>", ["x", "submit"]),
        ("```python\nsubmit()\n```", ["submit"]),
        ("<execute>\nsubmit()\nx\n</execute>", ["submit()\nx"]),
        ("```python\nprint('<execute>')\n```", ["print('<execute>')"]),
        ("<execute>\nprint('</execute> is a tag')\n</execute>", ["print('</execute> is a tag')"]),
        ("<execute>\nprint('```python')\n</execute>", ["print('```python')"]),
        ("```bash\nls\n```\n```python\nx\n```", ["x"]),
        ("<think><execute>no</execute></think><execute>yes</execute>", ["yes"]),
        (DONE, []),
    ],
)
def test_what_a_reply_asks_for(text, asked_for):
    assert read(text) == asked_for


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no code"),
        ("I would run print(1).", "no code"),
        ("<execute></execute>", "empty"),
        ("```bash\nls\n```", "holds Python"),
        ("</execute>", "no code"),
    ],
)
def test_what_cannot_be_read_is_answered_with_what_was_expected(text, says):
    [action] = read_reply(text).actions
    assert action.kind is ActionKind.INVALID
    assert says in action.problem
    assert "<solution>" in action.problem


def test_a_solution_counts_after_the_code_and_never_inside_of_it():
    assert read_reply(CODE + DONE).done
    assert not read_reply("<execute>\nprint('<solution>x</solution>')\n</execute>").done
    assert not read_reply(CODE + "\nObservation:\n1\n" + DONE).done


def test_code_after_a_made_up_observation_is_not_run():
    reply = read_reply(CODE + "\nObservation:\n1\n<execute>\nrm()\n</execute>")
    assert [action.code for action in reply.actions] == ["print(1)"]
    assert reply.ignored


def test_code_that_the_token_limit_cut_is_not_run():
    assert read("<execute>\nos.remo", cut=True) == ["invalid"]
    assert read("```python\nos.remo", cut=True) == ["invalid"]
    assert read(CODE, cut=True) == ["print(1)"]


@given(st.lists(st.sampled_from([
    "<execute>", "</execute>", "<solution>", "```", "python", "submit()", "\n", "Observation:", "x = 1", "<think>",
    "</think>", " ",
])).map("".join))  # fmt: skip
def test_any_heap_of_tags_is_read_as_something(text):
    reply = read_reply(text)
    assert reply.actions or reply.done
    for action in reply.actions:
        assert action.kind is not ActionKind.RUN_CODE or action.code.strip()
