"""A recorded run as a model."""

import logging

import pytest

from sandmle.core.engine.recording import derived
from sandmle.core.engine.store import open_store
from sandmle.core.errors import ConfigError, ProviderError
from sandmle.core.types.episode import Episode, Outcome, Timings
from sandmle.core.types.message import Message, ModelReply, ReplyOptions, Usage
from sandmle.core.types.sandbox import IsolationLevel
from sandmle.core.types.score import Direction, Thresholds
from sandmle.core.types.trajectory import FeedbackMode, Segment, StopReason, Trajectory, TranscriptEntry
from sandmle.plugins.llms.config import ReplayConfig
from sandmle.plugins.llms.replay import ReplayProvider

RNG_SEED = 7
GO = Message(role="user", content="go")


def entries(*texts, start=0):
    found = [TranscriptEntry(message=GO)]
    for turn, text in enumerate(texts, start=start):
        reply = ModelReply(text=text, usage=Usage(prompt_tokens=1, completion_tokens=2, cost_usd=0.5))
        found.append(TranscriptEntry(message=Message(role="assistant", content=text), reply=reply, turn=turn))
        found.append(TranscriptEntry(message=Message(role="user", content=f"after {text}")))
    return tuple(found)


def episode(slot, *segments, stop=StopReason.FINISHED):
    return Episode(
        episode_id=f"a/{slot}", task_id="a", slot=slot, outcome=Outcome.UNSCORED, stop_reason=stop, model="m",
        scaffold="s", sandbox="p", level=IsolationLevel.L2, feedback=FeedbackMode.FULL, policy_version=0,
        trajectory=Trajectory(segments=tuple(Segment(entries=one) for one in segments), steps=()), grade=None,
        thresholds=Thresholds(gold=1, silver=2, bronze=3, median=4), direction=Direction.MINIMIZE, reward=None,
        usage=Usage(), timings=Timings(), attempts=1, failure=None, started_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


@pytest.fixture
def run(tmp_path):
    with open_store(tmp_path / "run", {"run": {"rng_seed": RNG_SEED}}) as store:
        store.add_episode(episode(0, entries("one", "two"), entries("three", start=2)))
        store.add_episode(episode(1, entries("other"), stop=StopReason.CONTEXT))
    return tmp_path / "run"


def options(slot, turn):
    return ReplyOptions(sample_index=derived(RNG_SEED, "a", slot, turn))


async def test_each_place_gets_the_reply_it_had(run):
    model = ReplayProvider(ReplayConfig(differing="refuse")).open_model(f"replay/{run}")
    said = [one.message for one in entries("one", "two")]
    assert (await model.reply(said[:1], options(0, 0))).text == "one"
    second = await model.reply(said[:3], options(0, 1))
    assert (second.text, second.cached, second.usage.cost_usd) == ("two", True, 0.5)
    assert (await model.reply([GO], options(0, 2))).text == "three"
    assert (await model.reply([GO], options(1, 0))).text == "other"
    assert (await model.reply([GO], options(1, 1))).finish_reason == "context"


async def test_another_conversation_gets_the_reply_of_its_place_with_a_warning_said_once(run, caplog):
    model = ReplayProvider(ReplayConfig()).open_model(f"replay/{run}")
    other = [Message(role="user", content="go, 5 seconds left")]
    with caplog.at_level(logging.WARNING):
        assert (await model.reply(other, options(0, 0))).text == "one"
        assert (await model.reply(other, options(0, 1))).text == "two"
    assert len([one for one in caplog.records if "differs from the recorded one" in one.getMessage()]) == 1


async def test_another_conversation_is_refused_where_that_is_wanted(run):
    model = ReplayProvider(ReplayConfig(differing="refuse")).open_model(f"replay/{run}")
    with pytest.raises(ProviderError, match="differs from the recorded one"):
        await model.reply([Message(role="user", content="stop")], options(0, 0))


async def test_what_was_not_recorded_is_not_made_up(run):
    model = ReplayProvider(ReplayConfig()).open_model(f"replay/{run}")
    with pytest.raises(ProviderError, match=r"no reply is recorded for this call.*rng_seed \(7\)"):
        await model.reply([GO], options(5, 0))


def test_a_path_without_a_run_is_refused_in_words(tmp_path):
    with pytest.raises(ConfigError, match="is no run directory"):
        ReplayProvider(ReplayConfig()).open_model(f"replay/{tmp_path}")
    with open_store(tmp_path / "empty", {"run": {"rng_seed": 1}}):
        pass
    with pytest.raises(ConfigError, match="no reply is recorded"):
        ReplayProvider(ReplayConfig()).open_model(f"replay/{tmp_path / 'empty'}")
    (tmp_path / "empty" / "config.toml").write_text("[run]\n")
    with pytest.raises(ConfigError, match="no model"):
        ReplayProvider(ReplayConfig()).open_model(f"replay/{tmp_path / 'empty'}")
