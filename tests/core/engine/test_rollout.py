import asyncio
import time
from collections import Counter
from dataclasses import replace

import pytest

from sandmle.core.contracts.scaffold import EpisodeOver
from sandmle.core.engine.budget import Budget
from sandmle.core.engine.rollout import FAILURES_IN_A_ROW
from sandmle.core.engine.store import read_episodes
from sandmle.core.errors import ProviderError, SandboxError, StoreError
from sandmle.core.hooks.events import EpisodeFinished, InfrastructureFailed
from sandmle.core.types.episode import Outcome
from sandmle.core.types.message import Message
from sandmle.core.types.score import Medal
from sandmle.core.types.trajectory import Action, ActionKind, FeedbackMode, StopReason

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOLD = ("<think>so</think>write 0.05", "<think>so</think>submit", "<think>so</think>finish")


async def test_an_episode_is_played_graded_and_rewarded(stage, play):
    played = await play(stage.crew(GOLD))
    (episode,) = played.episodes
    assert (episode.episode_id, episode.outcome, episode.stop_reason) == ("copy/0", Outcome.SCORED, StopReason.FINISHED)
    assert (episode.grade.medal, episode.grade.score) == (Medal.GOLD, 0.05)
    assert episode.reward.total == pytest.approx(1.0)
    assert [step.action.kind.value for step in episode.trajectory.steps] == ["run_code", "submit", "finish"]
    assert [step.turn for step in episode.trajectory.steps] == [0, 1, 2]
    assert [reply.text for reply in episode.trajectory.replies()] == list(GOLD)
    assert episode.usage.prompt_tokens == 9
    assert [type(event) for event in played.events] == [EpisodeFinished]


async def test_the_parts_of_the_time_are_the_whole_of_it(stage, play, puppet_sandbox):
    puppet_sandbox.opening_s = 0.1
    began = time.monotonic()
    (episode,) = (await play(stage.crew(("<think>so</think>stall", *GOLD), sandbox=puppet_sandbox))).episodes
    wall_s = time.monotonic() - began
    parts = episode.timings
    assert (parts.start_s >= 0.1, parts.run_s >= 0.05) == (True, True)
    assert min(parts.llm_s, parts.grade_s, parts.other_s) > 0
    assert parts.total_s <= wall_s


async def test_records_come_back_exactly_ids_and_log_probs_included(stage, play):
    (episode,) = (await play(stage.crew(GOLD))).episodes
    reply = episode.trajectory.replies()[0]
    assert (reply.prompt_ids, reply.sampled_ids, reply.log_probs) == ((1, 2, 3), (0, 1), (-0.5, -1.5))
    assert len(episode.trajectory.segments) == 1


async def test_every_slot_is_filled_once_within_the_bound_on_concurrency(stage, play, puppet_sandbox, make_task):
    script = ("<think>so</think>stall", *GOLD)
    played = await play(
        stage.crew(script, sandbox=puppet_sandbox), k=5, concurrency=3, tasks=[make_task("one"), make_task("two")]
    )
    assert Counter((one.task_id, one.slot) for one in played.episodes) == Counter(
        (name, slot) for name in ("one", "two") for slot in range(5)
    )
    assert puppet_sandbox.most_open == 3
    assert puppet_sandbox.open_sessions == 0


async def test_slots_differ_in_their_sample_indexes_and_a_rerun_repeats_them(stage, play, puppets, tmp_path):
    first, second = puppets["model"](GOLD), puppets["model"](GOLD)
    await play(stage.crew(GOLD, model=first), k=3)
    (tmp_path / "run").rename(tmp_path / "earlier")
    await play(stage.crew(GOLD, model=second), k=3)
    indexes = [options.sample_index for options in first.asked]
    assert len(set(indexes)) == 9
    assert sorted(indexes) == sorted(options.sample_index for options in second.asked)


async def test_dying_keeps_the_episode_in_its_group_scored_as_its_last_valid_submission(stage, play):
    (episode,) = (await play(stage.crew(("write 0.3", "submit", "die")))).episodes
    assert (episode.outcome, episode.stop_reason) == (Outcome.SCORED, StopReason.SESSION_DIED)
    assert episode.grade.score == 0.3
    assert episode.reward.total == pytest.approx(0.7)


async def test_dying_without_a_submission_is_unscored_and_in_the_group(stage, play):
    played = await play(stage.crew(("<think>so</think>die",)))
    (episode,) = played.episodes
    assert (episode.outcome, episode.grade) == (Outcome.UNSCORED, None)
    assert episode.reward.total == pytest.approx(0.1)
    assert played.failures == []


async def test_dying_with_the_canary_is_infrastructure_and_leaves_the_group_without_a_reward(
    stage, play, puppet_sandbox
):
    puppet_sandbox.canary_fails = True
    played = await play(stage.crew(("write 0.3", "submit", "die"), sandbox=puppet_sandbox))
    (episode,) = played.episodes
    assert (episode.outcome, episode.stop_reason, episode.reward) == (Outcome.INFRASTRUCTURE, None, None)
    assert (episode.grade, episode.attempts) == (None, 3)
    assert "canary" in episode.failure
    assert [(one.kind, one.after, one.attempt) for one in played.failures] == [
        ("SandboxError", "run_code", number) for number in (1, 2, 3)
    ]
    assert Counter(map(type, played.events)) == {InfrastructureFailed: 3, EpisodeFinished: 1}


async def test_a_slot_that_the_infrastructure_failed_is_tried_again(stage, play, puppet_sandbox):
    puppet_sandbox.refuse_sessions = 2
    played = await play(stage.crew(GOLD, sandbox=puppet_sandbox))
    (episode,) = played.episodes
    assert (episode.outcome, episode.attempts) == (Outcome.SCORED, 3)
    assert [one.after for one in played.failures] == ["none", "none"]


async def test_a_lasting_outage_stops_the_run_and_leaves_its_slots_to_be_played(stage, play, puppet_sandbox, tmp_path):
    puppet_sandbox.refuse_sessions = FAILURES_IN_A_ROW
    with pytest.raises(SandboxError, match=rf"{FAILURES_IN_A_ROW} infrastructure failures in a row.*same command"):
        await play(stage.crew(GOLD, sandbox=puppet_sandbox), k=8)
    assert list(read_episodes(tmp_path / "run")) == []
    played = await play(stage.crew(GOLD, sandbox=puppet_sandbox), k=8)
    assert [one.outcome for one in played.episodes] == [Outcome.SCORED] * 8


async def test_a_provider_that_fails_is_infrastructure(stage, play):
    class Broken:
        name = "broken/model"

        async def reply(self, messages, options):
            raise OSError("connection reset")

        async def close(self):
            pass

    played = await play(stage.crew(GOLD, model=Broken()), retries=0)
    assert played.episodes[0].outcome is Outcome.INFRASTRUCTURE
    assert "asking broken/model: OSError: connection reset" in played.episodes[0].failure


async def test_a_provider_that_never_answers_runs_into_its_deadline(stage, play):
    class Silent:
        name = "silent/model"

        async def reply(self, messages, options):
            await asyncio.Event().wait()

        async def close(self):
            pass

    crew = stage.crew(GOLD, model=Silent())
    played = await play(replace(crew, sampling=replace(crew.sampling, llm_timeout_s=0.01)), retries=0)
    assert "no answer within" in played.episodes[0].failure


async def test_a_scaffold_that_swallows_an_infrastructure_failure_has_not_played_to_an_end(stage, play, puppets):
    class Swallowing(puppets["scaffold"]):
        async def run(self, episode):
            try:
                await super().run(episode)
            except SandboxError:
                return

    played = await play(stage.crew(("break",), scaffold=Swallowing()), retries=0)
    assert played.episodes[0].outcome is Outcome.INFRASTRUCTURE


async def test_spending_that_cannot_be_recorded_is_no_end_of_an_episode_although_its_scaffold_swallows_it(
    stage, play, puppets
):
    def cannot_write(charge):
        raise StoreError("cannot write usage.jsonl: No space left on device")

    class Swallowing(puppets["scaffold"]):
        async def run(self, episode):
            try:
                await super().run(episode)
            except StoreError:
                return

    crew = stage.crew(GOLD, scaffold=Swallowing(), budget=Budget(record=cannot_write))
    played = await play(crew, retries=0)
    assert [one.kind for one in played.failures] == ["StoreError"]
    assert played.episodes[0].outcome is Outcome.INFRASTRUCTURE


@pytest.mark.parametrize("feedback", list(FeedbackMode))
async def test_a_scaffold_is_told_of_validity_and_only_the_record_of_the_scores(stage, play, puppets, feedback):
    told = []

    class Looking(puppets["scaffold"]):
        async def run(self, episode):
            for code in ("write 0.05", "submit", "junk", "submit"):
                kind = ActionKind.SUBMIT if code == "submit" else ActionKind.RUN_CODE
                told.append((await episode.act(Action(kind=kind, code=code))).grade)

    played = await play(stage.crew(GOLD, scaffold=Looking(), rules=stage.rules(feedback)))
    assert [told[at].valid for at in (1, 3)] == [True, False]
    assert "id" in told[3].problem
    assert {(one.score, one.public_score, one.medal, one.human_rank) for one in (told[1], told[3])} == {
        (None, None, Medal.NONE, None)
    }
    recorded = played.episodes[0].trajectory.steps[1].observation.grade
    assert (recorded.score, recorded.medal) == (0.05, Medal.GOLD)


async def test_a_scaffold_may_end_an_episode_for_a_reason_of_its_own(stage, play, puppets):
    def give_up(episode):
        raise EpisodeOver(StopReason.STALLED)

    (episode,) = (await play(stage.crew(GOLD, scaffold=puppets["scaffold"](before=give_up)))).episodes
    assert (episode.outcome, episode.stop_reason) == (Outcome.UNSCORED, StopReason.STALLED)


async def test_turns_run_out_and_what_was_left_in_place_is_graded(stage, play):
    (episode,) = (await play(stage.crew(("write 0.15", "mumble")))).episodes
    assert episode.stop_reason is StopReason.MAX_TURNS
    assert len(episode.trajectory.replies()) == 12
    assert episode.grade.medal is Medal.SILVER


async def test_time_runs_out_even_for_a_scaffold_that_goes_on_asking(stage, play):
    crew = stage.crew(("stall",))
    limits = replace(crew.rules.limits, episode_timeout_s=0.12, max_turns=1000)
    (episode,) = (await play(replace(crew, rules=stage.rules(limits=limits)))).episodes
    assert episode.stop_reason is StopReason.DEADLINE


async def test_an_edited_history_begins_a_new_segment(stage, play, puppets):
    class Forgetful(puppets["scaffold"]):
        async def run(self, episode):
            start = [Message(role="user", content="go")]
            first = await episode.ask(start)
            grown = [*start, Message(role="assistant", content=first.text), Message(role="user", content="on")]
            await episode.ask(grown)
            await episode.ask([Message(role="user", content="summary: we went")])

    (episode,) = (await play(stage.crew(("a b",), scaffold=Forgetful()))).episodes
    assert [len(segment.entries) for segment in episode.trajectory.segments] == [4, 2]
    assert [entry.turn for entry in episode.trajectory.segments[0].entries] == [None, 0, None, 1]
    assert len(episode.trajectory.replies()) == 3


async def test_draining_finishes_what_is_under_way_and_starts_nothing_new(stage, play, puppets):
    drain = asyncio.Event()
    scaffold = puppets["scaffold"](before=lambda episode: drain.set())
    played = await play(stage.crew(GOLD, scaffold=scaffold), k=6, concurrency=2, drain=drain)
    assert len(played.episodes) in (1, 2)
    assert all(one.outcome is Outcome.SCORED for one in played.episodes)
    assert len((await play(stage.crew(GOLD), k=6)).episodes) == 6


async def test_what_an_outage_failed_before_the_run_was_stopped_is_still_to_be_played(
    stage, play, puppets, puppet_sandbox
):
    drain = asyncio.Event()
    scaffold = puppets["scaffold"](before=lambda episode: drain.set())
    puppet_sandbox.refuse_sessions = 1
    played = await play(stage.crew(GOLD, scaffold=scaffold, sandbox=puppet_sandbox), retries=0, drain=drain)
    assert (played.episodes, len(played.failures)) == ([], 1)
    assert [one.outcome for one in (await play(stage.crew(GOLD))).episodes] == [Outcome.SCORED]


async def test_cancelling_closes_every_session(stage, play, puppet_sandbox):
    running = asyncio.create_task(play(stage.crew(("stall",), sandbox=puppet_sandbox), k=4, concurrency=4))
    while puppet_sandbox.open_sessions < 4:
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert puppet_sandbox.open_sessions == 0


async def test_half_a_surrogate_pair_in_a_reply_can_be_recorded(stage, play):
    (episode,) = (await play(stage.crew(("broken \ud83d text", "finish")))).episodes
    assert episode.trajectory.replies()[0].text == "broken ? text"


async def test_a_provider_error_of_ours_keeps_its_kind(stage, play, puppets):
    class Refusing(puppets["model"]):
        async def reply(self, messages, options):
            raise ProviderError("quota used up")

    played = await play(stage.crew(GOLD, model=Refusing(GOLD)), retries=1)
    assert [one.kind for one in played.failures] == ["ProviderError", "ProviderError"]
