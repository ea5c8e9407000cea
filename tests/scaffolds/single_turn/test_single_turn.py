"""One reply, one program."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.core.conformance.scaffold import ScriptedEpisode, check_scaffold, play
from sandmle.core.types.message import ModelReply
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.trajectory import ActionKind, Observation, StopReason
from sandmle.scaffolds.single_turn.config import SingleTurnConfig
from sandmle.scaffolds.single_turn.parse import read_program
from sandmle.scaffolds.single_turn.scaffold import SingleTurnScaffold

PROGRAM = "I would fit a line.\n```python\nfit()\n```\nDone."


@pytest.fixture(scope="module")
def scaffold():
    return SingleTurnScaffold(SingleTurnConfig())


async def test_it_keeps_the_scaffold_contract(scaffold):
    await check_scaffold(scaffold, [PROGRAM])


async def test_the_program_is_run_and_submitted_and_that_is_all(scaffold):
    episode = ScriptedEpisode([PROGRAM])
    assert await play(scaffold, episode) is StopReason.FINISHED
    assert [action.kind for action in episode.actions] == [ActionKind.RUN_CODE, ActionKind.SUBMIT, ActionKind.FINISH]
    assert episode.actions[0].code == "fit()"
    assert len(episode.asked) == 1
    prompt = episode.asked[0][0].content
    assert "data/train.csv" in prompt
    assert "accuracy" in prompt
    assert "5 seconds" in prompt


async def test_what_a_failed_program_left_is_still_submitted(scaffold):
    episode = ScriptedEpisode([PROGRAM], lambda action: Observation(text="no", cell=CellStatus.ERROR))
    assert await play(scaffold, episode) is StopReason.FINISHED
    assert episode.actions[1].kind is ActionKind.SUBMIT


async def test_a_reply_without_a_program_ends_it_as_stalled(scaffold):
    episode = ScriptedEpisode(["I would rather not."])
    assert await play(scaffold, episode) is StopReason.STALLED
    assert [action.kind for action in episode.actions] == [ActionKind.INVALID]
    assert "Expected one program" in episode.observations[0].text


async def test_a_program_that_was_cut_is_not_run(scaffold):
    episode = ScriptedEpisode([ModelReply(text="```python\nimport os\nos.remo", finish_reason="length")])
    assert await play(scaffold, episode) is StopReason.STALLED
    assert "token limit" in episode.observations[0].text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```\nx\n```", "x"),
        ("```python\na = 1\n```\nand\n```py\nb = 2\n```", "a = 1\nb = 2"),
        ("```bash\nls\n```\n```python\nx\n```", "x"),
        ("```python\nx", "x"),
        ("<think>```python\nwrong\n```</think>```python\nright\n```", "right"),
        ("# fits\n\nimport os\nos.getcwd()", "# fits\n\nimport os\nos.getcwd()"),
        ("from os import path\n", "from os import path"),
    ],
)
def test_the_program_is_what_the_blocks_of_python_hold(text, code):
    assert read_program(text).code == code


@pytest.mark.parametrize("text", ["", "words", "```bash\nls\n```", "```python\n\n```", "important work", "```json\n{}"])
def test_anything_else_is_no_program(text):
    assert read_program(text).kind is ActionKind.INVALID


def test_bare_code_can_be_refused_and_is_when_it_was_cut():
    assert read_program("import os", unfenced=False).kind is ActionKind.INVALID
    assert read_program("import os", cut=True).kind is ActionKind.INVALID
    assert read_program("import os").kind is ActionKind.RUN_CODE


@given(st.lists(st.sampled_from(["```", "python", "import x", "\n", "#", "<think>", "</think>", "x = 1"])).map("".join))
def test_any_heap_is_a_program_or_none(text):
    action = read_program(text)
    assert action.code.strip() if action.kind is ActionKind.RUN_CODE else action.problem
