"""Advantages against hand numbers, and what holds for any rewards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.core.engine.advantage import Estimator, Verdict, group_advantages

REWARDS = st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=12)


def test_one_winner_among_four_has_the_advantages_of_openrlhf():
    found = group_advantages([1, 0, 0, 0], Estimator.GROUP_NORM)
    assert found.advantages == pytest.approx((1.5, -0.5, -0.5, -0.5), abs=1e-8)


def test_dr_grpo_only_takes_off_the_mean():
    assert group_advantages([1, 0, 0, 0], Estimator.DR_GRPO).advantages == (0.75, -0.25, -0.25, -0.25)


def test_an_infrastructure_episode_enters_no_statistic():
    whole = group_advantages([0.2, None, 0.6], Estimator.GROUP_NORM)
    assert whole.advantages[1] is None
    assert [whole.advantages[0], whole.advantages[2]] == list(
        group_advantages([0.2, 0.6], Estimator.GROUP_NORM).advantages
    )


@pytest.mark.parametrize(
    ("rewards", "verdict"),
    [
        ([None, 0.3, None], Verdict.TOO_FEW),
        ([None, None], Verdict.TOO_FEW),
        ([0.3, 0.3, None], Verdict.ZERO_VARIANCE),
        ([0.1 + 0.2, 0.3], Verdict.ZERO_VARIANCE),
    ],
)
def test_a_group_that_teaches_nothing_gives_no_advantage(rewards, verdict):
    found = group_advantages(rewards, Estimator.GROUP_NORM)
    assert found.verdict is verdict
    assert set(found.advantages) == {None}


@given(REWARDS, st.sampled_from(Estimator))
def test_advantages_of_a_kept_group_sum_to_zero_and_keep_the_order(rewards, estimator):
    found = group_advantages(rewards, estimator)
    assert len(found.advantages) == len(rewards)
    pairs = sorted((r, a) for r, a in zip(rewards, found.advantages, strict=True) if r is not None and a is not None)
    if found.verdict is Verdict.KEPT:
        assert sum(a for _, a in pairs) == pytest.approx(0, abs=1e-6)
        assert [a for _, a in pairs] == sorted(a for _, a in pairs)
    else:
        assert not pairs


@given(REWARDS, st.floats(0.1, 10), st.floats(-1, 1))
def test_group_norm_does_not_see_the_scale_of_rewards(rewards, scale, shift):
    moved = [None if one is None else one * scale + shift for one in rewards]
    before = group_advantages(rewards, Estimator.GROUP_NORM)
    after = group_advantages(moved, Estimator.GROUP_NORM)
    spread = [one for one in rewards if one is not None]
    if before.verdict is Verdict.KEPT and max(spread) - min(spread) > 1e-3:
        assert after.advantages == pytest.approx(before.advantages, abs=1e-3)
