"""The AIRA scaffold, driven by scripted episodes."""

import json
from pathlib import Path

import pytest

from sandmle.core.conformance.scaffold import ScriptedEpisode, check_scaffold, play
from sandmle.core.contracts.scaffold import EpisodeLimits
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.trajectory import ActionKind, Observation, StopReason
from sandmle.scaffolds.aira.config import AiraConfig
from sandmle.scaffolds.aira.scaffold import AiraScaffold

PICTURE = Path(__file__).parents[3] / "docs" / "graphs" / "aira.mmd"
PROGRAM = "An idea.\n\n```python\nprint('score')\n```"


def limits(turns):
    return EpisodeLimits(max_turns=turns, cell_timeout_s=7.5, episode_timeout_s=60.0, max_scored_submissions=3)


def speaker(*metrics):
    left = iter(metrics)

    def speak(messages, turn):
        if "`is_bug`" not in messages[-1].content:
            return PROGRAM
        return json.dumps({"is_bug": False, "summary": "seen", "metric": next(left), "lower_is_better": True})

    return speak


def world(*verdicts):
    """Programs that run, and submissions with these verdicts in order."""
    left = iter(verdicts)

    def act(action):
        if action.kind is ActionKind.SUBMIT:
            return Observation(text=next(left))
        return Observation(text="printed", cell=CellStatus.OK)

    return act


def notes(episode):
    return [
        one.code.splitlines()[0] if one.kind is ActionKind.RUN_CODE else one.kind.value for one in episode.actions[1:]
    ]


@pytest.fixture(scope="module")
def aira():
    return AiraScaffold(AiraConfig())


async def test_it_keeps_the_scaffold_contract(aira):
    await check_scaffold(aira, lambda messages, turn: speaker(0.5)(messages, turn))


async def test_every_submission_is_checked_and_the_best_put_back():
    aira = AiraScaffold(AiraConfig(num_drafts=2, steps=2))
    episode = ScriptedEpisode(speaker(0.5, 0.9), world(*["The submission is valid."] * 2), limits=limits(20))
    assert await play(aira, episode) is StopReason.FINISHED
    assert notes(episode) == [
        "# aira: attempt 0, draft: there are not enough drafts yet",
        "# aira: the submission of attempt 0 is to be looked at",
        "submit",
        "# aira: attempt 1, draft: there are not enough drafts yet",
        "# aira: the submission of attempt 1 is to be looked at",
        "submit",
        "# aira: the submission of attempt 0 is to stand: it is still the best",
        "finish",
    ]


async def test_an_invalid_submission_makes_an_attempt_buggy_and_the_repair_reads_why():
    aira = AiraScaffold(AiraConfig(num_drafts=1, steps=2))
    verdict = "The submission is not valid: column 'y' is missing"
    episode = ScriptedEpisode(speaker(0.5, 0.5), world(verdict, verdict), limits=limits(20))
    await play(aira, episode)
    analyzed, repair = episode.asked[1][1].content, episode.asked[2][1].content
    assert "Check of submission.csv" not in analyzed
    assert f"printed\n\nCheck of submission.csv: {verdict}" in repair
    assert "# The program with the bug" in repair
    assert "Design: An idea.\nAnalysis: seen" in repair


async def test_scores_of_the_boards_never_reach_a_prompt():
    aira = AiraScaffold(AiraConfig(num_drafts=1, steps=2))
    told = "The submission is valid.\nScore on the public board: 0.1234 (mae, lower is better)\nprivate board: 0.5678"
    episode = ScriptedEpisode(speaker(0.5, 0.5), world(told, told), limits=limits(20))
    await play(aira, episode)
    everything = "\n".join(message.content for asked in episode.asked for message in asked)
    assert "Check of submission.csv: The submission is valid." in everything
    assert "0.1234" not in everything
    assert "0.5678" not in everything


async def test_a_failed_program_is_not_submitted_and_an_unreadable_analysis_is_asked_for_once():
    aira = AiraScaffold(AiraConfig(num_drafts=1, steps=1))
    episode = ScriptedEpisode(
        lambda messages, turn: "fine" if "`is_bug`" in messages[-1].content else PROGRAM,
        lambda action: Observation(text="boom", cell=CellStatus.ERROR),
        limits=limits(20),
    )
    assert await play(aira, episode) is StopReason.FINISHED
    assert [one.kind.value for one in episode.actions] == ["run_code", "run_code", "invalid", "finish"]
    assert len(episode.asked) == 2


async def test_complexity_cues_rise_with_the_drafts_when_asked_for():
    aira = AiraScaffold(AiraConfig(use_complexity=True))
    episode = ScriptedEpisode(speaker(*[0.5] * 6), world(*["The submission is valid."] * 6), limits=limits(12))
    await play(aira, episode)
    cues = ["**simple**", "**more complex**", "**advanced**", "**small and safe**"]
    found = [[cue for cue in cues if cue in asked[1].content] for asked in episode.asked[::2]]
    assert found == [[cues[0]], [cues[0]], [cues[1]], [cues[1]], [cues[2]], [cues[3]]]


@pytest.mark.parametrize("nonsense", ["", "x" * 1_000_000, "我不知道", "Plan\n```python\nx = 1", "<think>", "{1:"])
async def test_nonsense_is_refused_recorded_never_run_and_ends_as_stalled(aira, nonsense):
    episode = ScriptedEpisode([nonsense], limits=limits(12))
    assert await play(aira, episode) is StopReason.STALLED
    assert {one.kind for one in episode.actions[1:]} == {ActionKind.INVALID}
    assert all(len(message.content) < 20_000 for asked in episode.asked for message in asked)


def test_the_defaults_are_the_peers():
    config = AiraConfig()
    assert (config.steps, config.num_drafts, config.debug_prob, config.max_debug_depth) == (500, 5, 1.0, 20)
    assert (config.memory.value, config.debug_memory.value, config.use_complexity) == ("simple", "ancestral", False)


def test_the_committed_picture_is_the_graphs_picture(aira):
    assert PICTURE.read_text("utf-8").strip() == aira.mermaid().strip()
