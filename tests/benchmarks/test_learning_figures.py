import math
import random

import pytest


def arm(rates, *, episodes=4, families=3, shift=0.0, seed=0):
    from learning_parts.figures import Played

    rng = random.Random(seed)
    return [
        Played(
            family=f"family-{number % families}",
            task_id=f"task-{number}",
            medal=float(rng.random() < rate + shift),
            valid=1.0,
            human_rank=rate,
        )
        for number, rate in enumerate(rates)
        for _ in range(episodes)
    ]


def test_the_mean_weighs_tasks_alike_however_many_episodes_each_has():
    from learning_parts.figures import Played, interval

    played = [Played(family="a", task_id="one", medal=1.0, valid=1.0, human_rank=0.0)] * 9
    played += [Played(family="b", task_id="two", medal=0.0, valid=1.0, human_rank=0.0)]
    found = interval(played, "medal")
    assert found.mean == 0.5
    assert (found.low, found.high) == (0.0, 1.0)


def test_families_that_differ_widen_the_interval_although_their_tasks_agree():
    from learning_parts.figures import interval

    alike = interval(arm([0.0, 1.0, 0.0] * 10, families=30), "medal")
    clustered = interval(arm([0.0, 1.0, 0.0] * 10, families=3), "medal")
    assert clustered.high - clustered.low > 1.5 * (alike.high - alike.low)


def test_a_difference_is_paired_so_that_what_tasks_share_cancels():
    from learning_parts.figures import Played, difference, interval

    base = [Played(family=f"f{n % 4}", task_id=str(n), medal=0.0, valid=1.0, human_rank=n / 20) for n in range(20)]
    better = [
        Played(family=one.family, task_id=one.task_id, medal=0.0, valid=1.0, human_rank=one.human_rank + 0.1)
        for one in base
    ]
    gain = difference(better, base, "human_rank")
    assert gain.mean == pytest.approx(0.1)
    assert gain.high - gain.low < 1e-9 < interval(base, "human_rank").high - interval(base, "human_rank").low


def test_an_arm_against_itself_has_an_interval_around_zero():
    from learning_parts.figures import difference

    played = arm([0.2, 0.5, 0.8] * 6, seed=3)
    gain = difference(played, played)
    assert gain.mean == 0.0
    assert gain.low < 0.0 < gain.high


def test_arms_on_other_tasks_are_refused():
    from learning_parts.figures import difference

    with pytest.raises(ValueError, match="same tasks"):
        difference(arm([0.5] * 6), arm([0.5] * 5))


def test_what_was_not_counted_has_no_interval():
    from learning_parts.figures import interval

    assert math.isnan(interval(arm([0.5] * 6), "tokens").mean)
