"""What is trained is what was sampled, and nothing else."""

from dataclasses import replace

import pytest

from sandmle.core.engine.training import LOGGED, logs_of, training_sequences
from sandmle.core.types.episode import Outcome
from sandmle.core.types.message import Message, ModelReply
from sandmle.core.types.trajectory import Segment, Trajectory, TranscriptEntry


def said(turn: int | None, prompt=None, sampled=None, **changes) -> TranscriptEntry:
    message = Message(role="user" if turn is None else "assistant", content="")
    if turn is None:
        return TranscriptEntry(message=message)
    log_probs = None if sampled is None else tuple(-0.1 * one for one in sampled)
    reply = ModelReply(**{"text": "", "prompt_ids": prompt, "sampled_ids": sampled, "log_probs": log_probs, **changes})
    return TranscriptEntry(message=message, reply=reply, turn=turn)


@pytest.fixture
def episode(make_episode):
    def make(*segments):
        trajectory = Trajectory(segments=tuple(Segment(entries=one) for one in segments), steps=())
        return replace(make_episode(), trajectory=trajectory)

    return make


TWO_TURNS = (said(None), said(0, (1, 2), (3, 4)), said(None), said(1, (1, 2, 3, 4, 5, 6), (7,)))


def test_turns_of_a_segment_become_one_sequence_with_their_ranges(episode):
    [sequence] = training_sequences(episode(TWO_TURNS))
    assert sequence.observation_tokens == (1, 2, 3, 4, 5, 6, 7)
    assert sequence.action_ranges == ((2, 4), (6, 7))
    assert sequence.rollout_log_probs == pytest.approx((0, 0, -0.3, -0.4, 0, 0, -0.7))
    assert sequence.action_mask() == [False, False, True, True, False, False, True]
    assert sequence.reward == 0.7
    assert not sequence.truncated


def test_a_sequence_is_the_dictionary_that_an_agent_executor_of_openrlhf_gives(episode):
    [sequence] = training_sequences(episode(TWO_TURNS))
    given = sequence.as_dict()
    assert given.pop("rollout_log_probs") == pytest.approx([0, 0, -0.3, -0.4, 0, 0, -0.7])
    assert given.pop("extra_logs") == dict(sequence.extra_logs)
    assert given == {
        "observation_tokens": [1, 2, 3, 4, 5, 6, 7],
        "action_ranges": [(2, 4), (6, 7)],
        "reward": 0.7,
        "scores": 0.7,
        "truncated": False,
    }


def test_every_outcome_logs_the_same_keys_each_with_a_number(episode):
    played = episode(TWO_TURNS)
    left_out = replace(
        episode(), outcome=Outcome.INFRASTRUCTURE, stop_reason=None, grade=None, reward=None, failure="SandboxError"
    )
    for one in (played, left_out):
        assert tuple(logs_of(one)) == LOGGED
        assert all(type(value) is float for value in logs_of(one).values())
    assert (logs_of(played)["sampled_tokens"], logs_of(left_out)["sampled_tokens"]) == (3, 0)


def test_a_reward_that_was_not_computed_is_none_and_never_zero(episode):
    [sequence] = training_sequences(replace(episode(TWO_TURNS), reward=None))
    assert (sequence.as_dict()["reward"], sequence.as_dict()["scores"]) == (None, None)


def test_each_segment_is_a_sequence_and_a_quoted_turn_is_not_trained_again(episode):
    quoted = TranscriptEntry(message=Message(role="assistant", content="", token_ids=(3, 4)))
    after = (said(None), quoted, said(2, (1, 3, 4), (9,)))
    first, second = training_sequences(episode(TWO_TURNS, after))
    assert (first.segment, second.segment) == (0, 1)
    assert second.action_ranges == ((3, 4),)


def test_only_the_last_turn_decides_whether_a_sequence_is_truncated(episode):
    cut = (said(None), said(0, (1,), (2,), finish_reason="length"))
    assert training_sequences(episode(cut))[0].truncated
    assert not training_sequences(episode((*cut, said(1, (1, 2, 3), (4,)))))[0].truncated


def test_a_segment_without_a_turn_gives_no_sequence(episode):
    assert training_sequences(episode((said(None),))) == []


def test_a_prompt_that_does_not_extend_what_was_before_is_refused_by_its_turn(episode):
    broken = (said(0, (1, 2), (3, 4)), said(1, (1, 2, 3, 5, 6), (7,)))
    with pytest.raises(ValueError, match=r"a/0, segment 0, turn 1: its prompt does not extend the 4 tokens"):
        training_sequences(episode(broken))


@pytest.mark.parametrize(
    "changes", [{"prompt_ids": None}, {"sampled_ids": None}, {"log_probs": None}, {"log_probs": (-1.0, -1.0)}]
)
def test_a_turn_without_exact_ids_is_refused(episode, changes):
    with pytest.raises(ValueError, match="turn 0"):
        training_sequences(episode((said(0, (1,), (2,), **changes),)))
