"""Our advantages and masks are those of OpenRLHF's own samples generator and experience maker, to 1e-5."""

import random

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from sandmle.core.engine.advantage import Estimator, Verdict, group_advantages
from sandmle.core.engine.training import TrainingSequence
from sandmle.plugins.trainers.local.batches import Weighted, micro_batches

CLOSE = {"atol": 1e-5, "rtol": 0}
# Rewards are sums of milestones' weights, which are multiples of a twentieth.
REWARD = st.integers(0, 20).map(lambda twentieth: twentieth / 20)


@st.composite
def groups(draw) -> list[list[float]]:
    size = draw(st.integers(2, 9))
    return draw(st.lists(st.lists(REWARD, min_size=size, max_size=size), min_size=1, max_size=4))


@pytest.fixture(scope="module")
def plain(build):
    """Settings, parsed once by OpenRLHF's own parser."""
    return build.settings()


def trajectories(build, rng: random.Random, rewards: list[list[float]]) -> list[TrainingSequence]:
    """One per reward, the prompt of a group shared, ragged lengths."""
    made = []
    for number, group in enumerate(rewards):
        prompt = [rng.randrange(build.VOCABULARY) for _ in range(rng.randint(1, 5))]
        made += [
            build.sequence(rng, f"g{number}/{slot}", prompt=prompt, turns=rng.randint(1, 3), reward=reward)
            for slot, reward in enumerate(group)
        ]
    return made


def theirs(build, args, tokenizer, made: list[TrainingSequence]) -> list:
    """Experiences with advantages, through their generator and their maker."""
    generator, maker = build.samples_generator(args, tokenizer), build.experience_maker(args, tokenizer)
    samples = [generator._process_response_into_experience(build.response(one), max_len=4096) for one in made]
    batches = maker.split_rollout_samples(samples)
    for batch in batches:
        batch.kl = torch.zeros_like(batch.action_mask, dtype=torch.float32)
    return maker.compute_advantages_and_returns(batches)


@pytest.mark.parametrize("estimator", list(Estimator))
@pytest.mark.parametrize("dynamic", [False, True])
@given(rewards=groups(), rng=st.randoms(use_true_random=False), micro=st.integers(1, 5))
@examples(max_examples=60)
def test_advantages_are_theirs_on_every_sampled_token_and_nowhere_else(
    build, plain, tokenizer, estimator, dynamic, rewards, rng, micro
):
    plain.algo.advantage.estimator = estimator.value
    plain.rollout.n_samples_per_prompt, plain.rollout.micro_batch_size = len(rewards[0]), micro
    plain.train.dynamic_batch_enable, plain.rollout.max_tokens_per_gpu = dynamic, 60
    made = trajectories(build, rng, rewards)
    ours = [one for group in rewards for one in group_advantages(group, estimator).advantages]
    seen = set()
    for batch in theirs(build, plain, tokenizer, made):
        for row, number in enumerate(batch.index):
            seen.add(number)
            mask = torch.zeros(batch.action_mask.shape[1])
            mask[: len(made[number].observation_tokens) - 1] = torch.tensor(made[number].action_mask()[1:]).float()
            # A group without variance is dropped by us, and trained with advantages of nothing by them.
            wanted = mask * (ours[number] or 0.0)
            torch.testing.assert_close(batch.advantages[row] * mask, wanted, **CLOSE)
            assert torch.equal(batch.action_mask[row].float(), mask)
    assert seen == set(range(len(made)))


@pytest.mark.parametrize("estimator", list(Estimator))
def test_a_group_without_variance_teaches_nothing_there_either(build, plain, tokenizer, estimator):
    plain.algo.advantage.estimator = estimator.value
    plain.rollout.n_samples_per_prompt, plain.train.dynamic_batch_enable = 4, False
    rewards = [0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2]
    assert group_advantages(rewards, estimator).verdict is Verdict.ZERO_VARIANCE
    for batch in theirs(build, plain, tokenizer, trajectories(build, random.Random(0), [rewards])):
        assert float(batch.advantages.abs().max()) == 0


@given(rng=st.randoms(use_true_random=False), count=st.integers(1, 6), most=st.integers(1, 80), share=st.booleans())
@examples(max_examples=100)
def test_masks_and_log_probs_are_theirs_for_the_same_dictionary(build, plain, tokenizer, rng, count, most, share):
    prompts = [[rng.randrange(build.VOCABULARY) for _ in range(rng.randint(1, 5))] for _ in range(2)]
    made = [
        build.sequence(
            rng, f"e{number}", prompt=prompts[0 if share else number % 2], turns=rng.randint(1, 3), reward=0.5
        )
        for number in range(count)
    ]
    generator = build.samples_generator(plain, tokenizer)
    wanted = {}
    for number, one in enumerate(made):
        sample = generator._process_response_into_experience(build.response(one), max_len=4096)
        assert sample.truncated.tolist() == [one.truncated]
        assert sample.sequences[0].tolist() == list(one.observation_tokens)
        picked = sample.action_mask[0].bool()
        wanted[number] = (sample.sequences[0, 1:][picked].tolist(), sample.rollout_log_probs[0][picked].tolist())
        assert float(sample.rollout_log_probs[0][~picked].abs().sum()) == 0
    items = [Weighted(sequence=one, advantage=float(number)) for number, one in enumerate(made)]
    found = {}
    for batch in micro_batches(items, most, "cpu"):
        targets = batch.ids[:, 1:][batch.trained]
        for row in range(len(batch.ids)):
            mine = batch.owner == row
            number = int(batch.advantages[mine][0])
            found[number] = (targets[mine].tolist(), batch.rollout_log_probs[mine].tolist())
            whole = [*batch.shared.tolist(), *batch.ids[row].tolist()]
            assert tuple(whole[: len(made[number].observation_tokens)]) == made[number].observation_tokens
    assert found == wanted


@pytest.mark.parametrize("cut", range(2, 12))
def test_a_sequence_cut_by_their_longest_length_keeps_the_mask_of_what_is_left(build, plain, tokenizer, cut):
    one = build.sequence(random.Random(3), "e", prompt=[1, 2, 3], turns=3, reward=1.0)
    sample = build.samples_generator(plain, tokenizer)._process_response_into_experience(
        build.response(one), max_len=cut
    )
    assert sample.action_mask[0].bool().tolist() == one.action_mask()[1:cut]
    assert sample.sequences[0].tolist() == list(one.observation_tokens[:cut])
