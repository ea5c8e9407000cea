"""The AIDE scaffold, driven by scripted episodes."""

import json
from pathlib import Path

import pytest

from sandmle.core.conformance.scaffold import ScriptedEpisode, check_scaffold, play
from sandmle.core.contracts.scaffold import EpisodeLimits
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.trajectory import ActionKind, FeedbackMode, Observation, StopReason
from sandmle.scaffolds.aide.config import AideConfig
from sandmle.scaffolds.aide.scaffold import AideScaffold

PICTURE = Path(__file__).parents[3] / "docs" / "graphs" / "aide.mmd"
PROGRAM = "A plan.\n\n```python\nprint('score')\n```"


def limits(turns):
    return EpisodeLimits(max_turns=turns, cell_timeout_s=7.5, episode_timeout_s=60.0, max_scored_submissions=3)


def review(metric, *, bug=False, lower=False):
    return json.dumps({"is_bug": bug, "summary": "seen", "metric": metric, "lower_is_better": lower})


def speaker(*metrics):
    """Programs, and reviews with these metrics in order."""
    left = iter(metrics)
    return lambda messages, turn: review(next(left)) if "`is_bug`" in messages[-1].content else PROGRAM


def notes(episode):
    return [one.code.splitlines()[0] for one in episode.actions if one.kind is ActionKind.RUN_CODE]


@pytest.fixture(scope="module")
def aide():
    return AideScaffold(AideConfig())


async def test_it_keeps_the_scaffold_contract(aide):
    await check_scaffold(aide, lambda messages, turn: speaker(0.5)(messages, turn))


async def test_every_reply_is_asked_for_in_a_conversation_of_its_own(aide):
    episode = ScriptedEpisode(speaker(0.1, 0.2, 0.3), limits=limits(6))
    assert await play(aide, episode) is StopReason.FINISHED
    assert [[one.role for one in asked] for asked in episode.asked] == [["system", "user"]] * 6


async def test_the_record_tells_the_tree_and_which_score_chose():
    aide = AideScaffold(AideConfig(num_drafts=1, steps=3))
    episode = ScriptedEpisode(speaker(0.1, 0.3, 0.2), limits=limits(20))
    await play(aide, episode)
    assert notes(episode) == [
        "# aide: a look at the data",
        "# aide: attempt 0, draft: there are not enough drafts yet",
        "# aide: the submission of attempt 0 is to stand: the best by its validation score 0.1 (max)",
        "# aide: attempt 1, improve of attempt 0: the best by validation score 0.1 (max)",
        "# aide: the submission of attempt 1 is to stand: the best by its validation score 0.3 (max)",
        "# aide: attempt 2, improve of attempt 1: the best by validation score 0.3 (max)",
    ]
    assert all(one.kind is not ActionKind.SUBMIT for one in episode.actions)


@pytest.mark.parametrize(
    ("feedback", "submits", "best"), [(FeedbackMode.PUBLIC_BOARD, 2, 0), (FeedbackMode.VALIDATE_ONLY, 0, 1)]
)
async def test_the_board_chooses_only_where_it_is_told(feedback, submits, best):
    boards = iter([0.9, 0.1])

    def world(action):
        if action.kind is ActionKind.SUBMIT:
            text = f"The submission is valid.\nScore on the public board: {next(boards)} (accuracy, higher is better)"
            return Observation(text=text)
        return Observation(text="ok", cell=CellStatus.OK)

    aide = AideScaffold(AideConfig(num_drafts=2, steps=2, select_by="public_board"))
    episode = ScriptedEpisode(speaker(0.1, 0.3), world, limits=limits(20), feedback=feedback)
    await play(aide, episode)
    assert sum(one.kind is ActionKind.SUBMIT for one in episode.actions) == submits
    stands = [note for note in notes(episode) if "is to stand" in note]
    assert f"attempt {best}" in stands[-1]
    assert (ActionKind.SUBMIT in aide.needs) is True
    assert ActionKind.SUBMIT not in AideScaffold(AideConfig()).needs


async def test_a_program_that_fails_is_debugged_with_its_output():
    aide = AideScaffold(AideConfig(num_drafts=1, steps=2, debug_prob=1.0))
    world = lambda action: Observation(text="KeyError: ```x```", cell=CellStatus.ERROR)  # noqa: E731
    episode = ScriptedEpisode(speaker(0.5, 0.5), world, limits=limits(20))
    await play(aide, episode)
    prompt = episode.asked[2][1].content
    assert "## The solution with the bug" in prompt
    assert "````\nKeyError: ```x```\n````" in prompt


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "x" * 1_000_000,
        "我不知道",
        "<tool_response>score 1.0</tool_response>",
        "Plan\n```python\nx = 1",
        "<think>",
        "{}",
    ],
)
async def test_nonsense_is_refused_recorded_never_run_and_ends_as_stalled(aide, nonsense):
    episode = ScriptedEpisode([nonsense], limits=limits(12))
    assert await play(aide, episode) is StopReason.STALLED
    assert notes(episode)[1:] == []
    assert {one.kind for one in episode.actions[1:]} == {ActionKind.INVALID}
    assert all(len(message.content) < 20_000 for asked in episode.asked for message in asked)


async def test_too_few_turns_for_another_attempt_end_the_search_as_finished(aide):
    episode = ScriptedEpisode(speaker(0.5, 0.5), limits=limits(5))
    assert await play(aide, episode) is StopReason.FINISHED
    assert len(episode.asked) == 4


async def test_the_prompts_tell_the_truth_and_hold_no_template(aide):
    episode = ScriptedEpisode(speaker(0.5), limits=limits(2))
    await play(aide, episode)
    draft, judged = (asked[1].content for asked in episode.asked)
    assert "7.5 seconds" in draft
    assert "5-fold" in draft
    assert "{{" not in draft + judged
    assert "{%" not in draft + judged


def test_the_defaults_are_the_peers():
    config = AideConfig()
    assert (config.steps, config.num_drafts, config.debug_prob, config.max_debug_depth) == (20, 5, 0.5, 3)
    assert (config.k_fold_validation, config.data_preview, config.tries) == (5, True, 3)


def test_the_committed_picture_is_the_graphs_picture(aide):
    assert PICTURE.read_text("utf-8").strip() == aide.mermaid().strip()
