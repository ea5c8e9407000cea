"""Validity mask and segments, through OpenRLHF's own samples generator, experience maker and actor trainer."""

import math
import random
from copy import deepcopy
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import ray
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from openrlhf.trainer.ray import ppo_actor

from sandmle.core.engine.advantage import Estimator, group_advantages
from sandmle.core.errors import ConfigError, PluginError, ProviderError
from sandmle.plugins.trainers.openrlhf.actor import SegmentActorTrainer, set_window, window_of
from sandmle.plugins.trainers.openrlhf.experience import aligned
from sandmle.plugins.trainers.openrlhf.generator import SegmentSamplesGenerator
from sandmle.plugins.trainers.openrlhf.samples import (
    TRAINED,
    VALID,
    GroupVerdict,
    judge_group,
)

CLOSE = {"atol": 1e-5, "rtol": 0}
REWARD = st.integers(0, 20).map(lambda twentieth: twentieth / 20)
# None: the infrastructure failed it; a number of segments of 0: nothing of it is trained.
EPISODE = st.one_of(st.none(), st.tuples(REWARD, st.integers(0, 3)))


@pytest.fixture(scope="module")
def parsed(build):
    """Settings, parsed once by OpenRLHF's own parser."""
    return build.settings()


@pytest.fixture
def plain(parsed):
    return deepcopy(parsed)


@pytest.mark.parametrize("estimator", list(Estimator))
@given(
    groups=st.integers(2, 5).flatmap(
        lambda size: st.lists(st.lists(EPISODE, min_size=size, max_size=size), min_size=1, max_size=3)
    ),
    rng=st.randoms(use_true_random=False),
    micro=st.integers(1, 3),
)
@examples(max_examples=40)
def test_advantages_are_those_of_valid_trajectories_each_counted_once(
    build, parsed, tokenizer, estimator, groups, rng, micro
):
    args = deepcopy(parsed)
    args.algo.advantage.estimator = estimator.value
    size = len(groups[0])
    args.rollout.n_samples_per_prompt, args.rollout.micro_batch_size = size, micro
    args.rollout.batch_size, args.train.batch_size, args.train.micro_batch_size = len(groups), len(groups) * size, 1
    answers = [[build.answer(rng, one) for one in group] for group in groups]
    if not any(one for group in groups for one in group):
        return
    names = [f"task {number}" for number in range(len(groups))]
    failed = [build.answer(rng, None) for _ in range(size)]
    with patch.object(ray, "get", build.get), patch.object(ray, "wait", build.wait):
        prompts = [([""], [name], [name], [None]) for name in names]
        engine = build.Rollouts(*answers, *[failed] * len(groups))
        made = SegmentSamplesGenerator(build.OneProcess(args=args), prompts, prompts, tokenizer, [engine])
        rows, _, used, _ = made.generate_samples(max_len=4096)
    assert used == len(groups)
    wanted = []
    for group in groups:
        rewards = [one and one[0] for one in group]
        if sum(one is not None for one in rewards) * 2 < size:
            continue
        judged = group_advantages(rewards, estimator).advantages
        if any(one is not None for one in judged):
            wanted += [(one, outcome[1] if outcome else 0) for one, outcome in zip(judged, group, strict=True)]
    found = []
    for batch in build.experiences(build.maker(args, tokenizer), rows) if rows else []:
        for row, mask in enumerate(batch.action_mask.bool()):
            if mask.any():
                assert len(set(batch.advantages[row][mask].tolist())) == 1
                found.append(float(batch.advantages[row][mask][0]))
    torch.testing.assert_close(
        torch.tensor(found), torch.tensor([one for one, segments in wanted for _ in range(segments)]), **CLOSE
    )


def test_one_valid_sequence_each_gives_stock_openrlhfs_numbers(build, plain, tokenizer, generator):
    rng = random.Random(3)
    answers = [build.answer(rng, (reward, 1)) for reward in (0.1, 0.4, 0.4, 1.0)]
    made, _ = generator(plain, ["a"], answers)
    rows, *_ = made.generate_samples(max_len=4096)
    ours = build.experiences(build.maker(plain, tokenizer), rows)
    stock_generator, stock = build.samples_generator(plain, tokenizer), build.experience_maker(plain, tokenizer)
    batches = stock.split_rollout_samples(
        [stock_generator._process_response_into_experience(one, max_len=4096) for one in answers]
    )
    for batch in batches:
        batch.kl = torch.zeros_like(batch.action_mask, dtype=torch.float32)
    for mine, theirs in zip(ours, stock.compute_advantages_and_returns(batches), strict=True):
        for name in ("sequences", "attention_mask", "action_mask", "rollout_log_probs", "advantages", "returns"):
            torch.testing.assert_close(getattr(mine, name), getattr(theirs, name), **CLOSE)


def test_rows_are_even_for_every_process_and_optimizer_step_and_none_is_lost(build, tokenizer, generator):
    args = build.settings(
        *("--actor.num_gpus_per_node", "4", "--train.batch_size", "2", "--rollout.micro_batch_size", "1")
    )
    rng = random.Random(5)
    answers = [build.answer(rng, one) for one in ((0.1, 3), (0.5, 2), None, (1.0, 2))]
    rows, *_ = generator(args, ["a"], answers)[0].generate_samples(max_len=4096)
    assert len(rows) == 8
    assert aligned(8, args) == 16
    batches = build.experiences(build.maker(args, tokenizer), rows)
    assert sum(len(one.sequences) for one in batches) == 16
    assert sum(int(mask.any()) for one in batches for mask in one.action_mask) == 7


def test_rows_that_train_nothing_change_neither_loss_nor_gradient(build, tokenizer, generator):
    sizes = ("--rollout.micro_batch_size", "1", "--train.micro_batch_size", "1", "--train.batch_size", "2")
    args = build.settings(*sizes)
    rng = random.Random(7)
    answers = [build.answer(rng, one) for one in ((0.1, 2), (0.5, 1), None, (1.0, 0))]
    results = []
    for filled in (True, False):
        rows, *_ = generator(args, ["a"], answers)[0].generate_samples(max_len=4096)
        batches = build.experiences(build.maker(args, tokenizer), rows)
        kept = [one for one in batches if filled or one.action_mask.any()]
        model = _actor(build)
        loss = build.train_step(args, model, kept)
        results.append((len(kept), loss * len(kept), [one.grad for one in model.parameters()]))
    (many, _, ours), (few, _, plain) = results
    assert (many, few) == (6, 3)
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


def test_a_micro_batch_that_trains_nothing_leaves_all_figures_numbers(build, tokenizer, generator):
    args = build.settings("--rollout.micro_batch_size", "1", "--train.micro_batch_size", "1")
    rng = random.Random(7)
    answers = [build.answer(rng, one) for one in ((0.1, 1), (0.5, 1), None, (1.0, 1))]
    rows, *_ = generator(args, ["a"], answers)[0].generate_samples(max_len=4096)
    batches = build.experiences(build.maker(args, tokenizer), rows)
    with patch.object(ppo_actor, "torch_dist_barrier_and_cuda_sync"), patch.object(torch.cuda, "current_device", int):
        trainer = SegmentActorTrainer(
            build.OneProcess(args=args, accumulated_gradient=len(batches)),
            _actor(build),
            ema_model=None,
            actor_optim=None,
            actor_scheduler=SimpleNamespace(get_last_lr=lambda: [0.0]),
            micro_train_batch_size=1,
            vllm_engines=None,
        )
    for number, batch in enumerate(batches):
        status = trainer.training_step(batch, 0.0, number, None)
        assert all(math.isfinite(torch.as_tensor(one).float().mean()) for one in status["metrics"].values())
        assert status["num_action_tokens"] > 0


def test_logged_means_are_those_of_valid_trajectories(build, plain, tokenizer, generator):
    rng = random.Random(9)
    answers = [build.answer(rng, one) for one in ((0.2, 1), (0.6, 1), None, (1.0, 1))]
    made, _ = generator(plain, ["a"], answers)
    rows, *_ = made.generate_samples(max_len=4096)
    batches = build.experiences(build.maker(plain, tokenizer), rows)
    rewards = torch.cat([one.info["reward"] for one in batches])
    assert rewards.mean() == pytest.approx(0.6)
    assert not {VALID, TRAINED, "group", "trajectory", "segment"} & batches[0].info.keys()
    assert made.figures["episodes/reward"] == pytest.approx(0.6)
    assert made.figures["episodes/infrastructure_rate"] == 0.25
    assert made.figures["episodes/infrastructure_after_run_code"] == 0.25


def test_a_group_that_was_failed_for_the_most_part_is_played_again_once_and_keeps_what_was_valid(
    build, plain, tokenizer, generator
):
    rng = random.Random(1)
    first = [build.answer(rng, one) for one in (None, (0.3, 1), None, None)]
    second = [build.answer(rng, one) for one in ((0.9, 1), (0.5, 1), (0.1, 1), None)]
    made, engine = generator(plain, ["a"], first, second)
    rows, _, used, _ = made.generate_samples(max_len=4096)
    assert engine.asked == ["a", "a"]
    assert used == 1
    assert [float(one.rewards) for one in rows] == pytest.approx([0.3, 0.9, 0.5, 0.1])


def test_a_group_that_is_failed_twice_is_dropped_and_a_step_of_only_failures_stops(build, plain, tokenizer, generator):
    rng = random.Random(1)
    bad = [build.answer(rng, one) for one in (None, (0.3, 1), None, None)]
    worse = [build.answer(rng, None) for _ in range(4)]
    made, engine = generator(plain, ["a"], bad, worse)
    assert made.generate_samples(max_len=4096)[0] == []
    assert made.figures["groups/too_few"] == 1.0
    made, engine = generator(plain, ["a"], worse, worse)
    with pytest.raises(ProviderError, match=r"all 4 episodes of this step.*SandboxError: gone"):
        made.generate_samples(max_len=4096)
    assert engine.asked == ["a", "a"]


def test_with_a_filter_a_group_outside_of_the_range_gives_way_to_another_task(build, tokenizer, generator):
    args = build.settings("--algo.dynamic_filtering_enable", "--algo.dynamic_filtering_range", "0.2", "0.8")
    rng = random.Random(1)
    easy = [build.answer(rng, (reward, 1)) for reward in (0.9, 1.0, 1.0, 1.0)]
    fair = [build.answer(rng, (reward, 1)) for reward in (0.1, 0.9, 0.5, 0.5)]
    made, engine = generator(args, ["a", "b"], easy, fair)
    rows, rate, used, _ = made.generate_samples(max_len=4096)
    assert (engine.asked, used, rate, len(rows)) == (["a", "b"], 2, 50.0, 4)


def test_no_sequence_is_left_over_for_the_next_step(build, plain, tokenizer, generator):
    rng = random.Random(1)
    plays = [[build.answer(rng, (reward, 3)) for reward in (0.1, 0.2, 0.3, 0.4)] for _ in range(2)]
    made, _ = generator(plain, ["a", "b"], *plays)
    assert [len(made.generate_samples(max_len=4096)[0]) for _ in range(2)] == [12, 12]
    assert made.generate_samples(max_len=4096)[3]


def test_an_evaluation_has_one_row_per_trajectory_and_only_whole_groups(build, plain, tokenizer, generator):
    rng = random.Random(1)
    whole = [build.answer(rng, one) for one in ((0.1, 3), (0.2, 0), (0.2, 1), (0.2, 2))]
    torn = [build.answer(rng, one) for one in ((0.1, 3), None, (0.2, 1), (0.2, 2))]
    failed = [build.answer(rng, None) for _ in range(4)]
    made, engine = generator(plain, ["a", "b"], whole, torn, failed)
    rows = made.generate_eval_samples(max_len=4096, n_samples_per_prompt=4)
    assert sorted(engine.asked) == ["a", "b", "b"]
    assert [one.prompts for one in rows] == [["say"]] * 4
    assert [float(one.rewards) for one in rows] == pytest.approx([0.1, 0.2, 0.2, 0.2])


def test_the_canary_looks_before_anything_is_played(build, plain, tokenizer, generator):
    made, engine = generator(plain, ["a"])
    order = []
    made.before_rollouts = lambda: order.append(len(engine.asked))
    with pytest.raises(IndexError):
        made.generate_samples(max_len=4096)
    assert order == [0]


@pytest.mark.parametrize(
    ("rewards", "verdict"),
    [
        ([0.1, 0.2, None, None], GroupVerdict.KEPT),
        ([0.1, None, None, None], GroupVerdict.TOO_FEW),
        ([0.1, 0.1, 0.1, None], GroupVerdict.ZERO_VARIANCE),
        ([0.1, 0.1 + 1e-12, 0.1, 0.1], GroupVerdict.ZERO_VARIANCE),
        ([None] * 4, GroupVerdict.TOO_FEW),
    ],
)
def test_groups_are_judged_by_their_valid_rewards(build, rewards, verdict):
    rng = random.Random(1)
    assert judge_group([build.answer(rng, one and (one, 1)) for one in rewards], 4) is verdict


def test_two_segments_with_two_rewards_are_a_defect(build, plain, tokenizer, generator):
    rng = random.Random(1)
    rows, *_ = generator(plain, ["a"], [build.answer(rng, (one / 4, 2)) for one in range(4)])[0].generate_samples(
        max_len=4096
    )
    rows[1].rewards += 0.5
    with pytest.raises(ValueError, match="has the rewards"):
        build.experiences(build.maker(plain, tokenizer), rows)


@pytest.mark.parametrize(
    "flags",
    [
        ("--algo.advantage.estimator", "rloo"),
        ("--reward.overlong_buffer_len", "10"),
        ("--reward.stop_properly_penalty_coef", "0.5"),
    ],
)
def test_what_has_no_meaning_for_segments_is_refused(build, tokenizer, flags):
    with pytest.raises(ConfigError):
        build.maker(build.settings(*flags), tokenizer)


def test_a_window_is_as_many_micro_batches_as_there_are_and_uneven_numbers_are_refused():
    assert window_of(24, 2, 3) == 4
    for sequences in (0, 25, 26):
        with pytest.raises(PluginError):
            window_of(sequences, 2, 3)


def test_deepspeed_steps_at_the_end_of_every_window_whatever_their_sizes():
    class Engine:
        """What of a DeepSpeed engine decides where it steps; `set_train_batch_size` is DeepSpeed's own."""

        from deepspeed.runtime.engine import DeepSpeedEngine

        set_train_batch_size = DeepSpeedEngine.set_train_batch_size
        dp_world_size = 2
        micro_steps = 0

        def __init__(self) -> None:
            self._config = SimpleNamespace(train_batch_size=8, gradient_accumulation_steps=4)
            self.optimizer = SimpleNamespace(gradient_accumulation_steps=4)

        def train_micro_batch_size_per_gpu(self) -> int:
            return 1

        def boundary(self) -> bool:
            self.micro_steps += 1
            return self.micro_steps % self._config.gradient_accumulation_steps == 0

    engine = Engine()
    for window in (4, 7, 3, 1, 7):
        set_window(engine, window)
        assert [engine.boundary() for _ in range(2 * window)] == [*([False] * (window - 1)), True] * 2


def _actor(build):
    """OpenRLHF's Actor around a small module, as it is after DeepSpeed."""
    with patch("openrlhf.models.actor.Actor.__init__", torch.nn.Module.__init__):
        made = ppo_actor.Actor()
    made.model, made.packing_samples, made.temperature = build.qwen3(), False, 1.0
    return made
