"""Episodes that ran out of time can be left out of the loss and still count in their group, as in the paper."""

from dataclasses import replace

from sandmle.core.engine.advantage import Estimator
from sandmle.core.engine.store import read_episodes
from sandmle.core.types.episode import Episode
from sandmle.core.types.trajectory import StopReason
from sandmle.plugins.trainers.local.groups import judge, weighted


def with_ids(episode: Episode) -> Episode:
    """As a token-exact model would have recorded it: one id is shown before each turn, two are sampled."""
    segments, ids = [], ()
    for segment in episode.trajectory.segments:
        entries = []
        for entry in segment.entries:
            if entry.reply is not None:
                reply = replace(entry.reply, prompt_ids=(*ids, 1), sampled_ids=(2, 3), log_probs=(-0.5, -0.5))
                ids = (*ids, 1, 2, 3)
                entry = replace(entry, reply=reply)
            entries.append(entry)
        segments.append(replace(segment, entries=tuple(entries)))
    return replace(episode, trajectory=replace(episode.trajectory, segments=tuple(segments)))


def test_masked_episodes_count_in_their_group_and_are_not_trained(demos):
    first, second, *_ = [with_ids(one) for one in read_episodes(demos) if one.task_id == "say-0-a"]
    late = replace(second, stop_reason=StopReason.DEADLINE)
    group = judge([first, late], Estimator.GROUP_NORM)
    both = weighted([group], mask_truncated=False)
    one = weighted([group], mask_truncated=False, masked_stops=(StopReason.DEADLINE,))
    assert {item.sequence.episode_id for item in both} == {first.episode_id, second.episode_id}
    assert {item.sequence.episode_id for item in one} == {first.episode_id}
    # The advantage is that of the whole group.
    assert one[0].advantage == next(item.advantage for item in both if item.sequence.episode_id == first.episode_id)
