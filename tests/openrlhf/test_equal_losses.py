"""One update of the local trainer is one of OpenRLHF's actor trainer: the loss and every gradient, to 1e-5.

Theirs runs from the agents' dictionaries on: samples generator, experience maker, Actor with LoRA, PolicyLoss, the
actor trainer's own training step with its normalization over micro-batches. Ours runs from rewards and sequences on.
"""

import random
import warnings

import pytest
import torch
from hypothesis import Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from openrlhf.models import PolicyLoss
from openrlhf.models.utils import compute_approx_kl
from peft import LoraConfig, get_peft_model

from sandmle.core.engine.advantage import Estimator, group_advantages
from sandmle.core.engine.training import TrainingSequence
from sandmle.plugins.trainers.local.batches import Weighted
from sandmle.plugins.trainers.local.config import GrpoConfig
from sandmle.plugins.trainers.local.grpo import Grpo
from sandmle.plugins.trainers.local.losses import Clip, k3, policy_loss

TOLERANCE = 1e-5
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head")
RANDOM = st.integers(0, 2**32).map(random.Random)


@pytest.fixture(scope="module")
def policy(build, tmp_path_factory):
    """A checkpoint directory."""
    return build.save_policy(tmp_path_factory.mktemp("policy"), build.qwen3())


@pytest.fixture(scope="module")
def twins(build, policy):
    """Their actor and our module with the same weights, each with an adapter that does something."""
    return make_twins(build, policy, build.qwen3())


def make_twins(build, folder, ours):
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(1)
        theirs = build.actor(folder, lora_rank=4, lora_alpha=8, target_modules=list(TARGETS))
        config = LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=list(TARGETS))
        ours = get_peft_model(ours, config).eval()
        for name, one in ours.named_parameters():
            if "lora_B" in name:
                one.data.normal_(std=0.1)
    theirs.model.load_state_dict(ours.state_dict())
    return theirs, ours


@pytest.fixture(scope="module")
def reference(build, policy):
    """Their reference actor and ours: the weights without an adapter."""
    theirs, ours = build.actor(policy), build.qwen3()
    theirs.model.load_state_dict(ours.state_dict())
    return theirs, ours


@pytest.fixture(scope="module")
def flags(build):
    """Settings by what differs from test to test, each parsed once by OpenRLHF's own parser."""
    known = {}

    def parsed(*words: str):
        if words not in known:
            known[words] = build.settings(*words)
        return known[words]

    return parsed


def played(
    build, rng: random.Random, module, temperature: float = 1.0
) -> tuple[list[TrainingSequence], list[list[float]]]:
    """Groups of one size, with rollout log-probs around those of `module`, so that some ratios are clipped."""
    size, made, rewards = rng.randint(2, 4), [], []
    for number in range(rng.randint(1, 3)):
        prompt = [rng.randrange(build.VOCABULARY) for _ in range(rng.randint(1, 6))]
        rewards.append([0.0, 1.0, *(rng.randrange(21) / 20 for _ in range(size - 2))])
        made += [
            build.sequence(rng, f"g{number}/{slot}", prompt=prompt, turns=rng.randint(1, 3), reward=reward)
            for slot, reward in enumerate(rewards[-1])
        ]
    return [build.around(rng, one, module, temperature) for one in made], rewards


@given(st.lists(st.tuples(*[st.floats(-30, 0)] * 3, st.floats(-3, 3)), min_size=1, max_size=9))
def test_each_token_s_loss_divergence_and_their_gradients_are_theirs_far_away_too(rows):
    new, old, reference, advantages = torch.tensor(rows, dtype=torch.float32).T
    found = []
    for mine in (True, False):
        now = new.clone().requires_grad_()
        if mine:
            loss, far = policy_loss(now, old, advantages, Clip(low=0.2, high=0.28)), k3(now, reference)
        else:
            # One row and one column a token: the mean over rows is each token's loss, over their number.
            columns = [one[:, None] for one in (now, old, advantages, torch.ones_like(new))]
            loss = PolicyLoss(0.2, 0.28)(*columns)[0] * len(new)
            far = compute_approx_kl(now, reference, kl_estimator="k3")
        (loss.sum() + far.sum()).backward()
        found.append((loss.sum().item(), far.detach(), now.grad))
    (our_loss, our_far, our_gradient), (their_loss, their_far, their_gradient) = found
    assert our_loss == pytest.approx(their_loss, rel=1e-5, abs=1e-5)
    torch.testing.assert_close(our_far, their_far, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(our_gradient, their_gradient, atol=1e-5, rtol=1e-5)


def their_update(
    build, args, tokenizer, twins, reference, made, *, recomputed: bool = False
) -> tuple[float, dict[str, torch.Tensor]]:
    generator, maker = build.samples_generator(args, tokenizer), build.experience_maker(args, tokenizer)
    samples = [generator._process_response_into_experience(build.response(one), max_len=4096) for one in made]
    batches = maker.split_rollout_samples(samples)
    for batch in batches:
        batch.kl = torch.zeros_like(batch.action_mask, dtype=torch.float32)
        with torch.no_grad():
            before = twins[0](batch.sequences, batch.action_mask, batch.attention_mask)
            batch.action_log_probs = before if recomputed else batch.rollout_log_probs
            batch.base_action_log_probs = reference[0](batch.sequences, batch.action_mask, batch.attention_mask)
    loss = build.train_step(args, twins[0], maker.compute_advantages_and_returns(batches))
    named = twins[0].model.named_parameters()
    return loss, {name: one.grad.clone() for name, one in named if one.requires_grad}


def our_update(
    build, config: GrpoConfig, twins, reference, made, rewards, temperature: float = 1.0
) -> tuple[float, dict[str, torch.Tensor]]:
    advantages = [one for group in rewards for one in group_advantages(group, config.estimator).advantages]
    items = [Weighted(sequence=one, advantage=number) for one, number in zip(made, advantages, strict=True)]
    optimizer = build.Recording(twins[1], config)
    report = Grpo(twins[1], config, temperature, reference[1] if config.kl else None).update(
        items, optimizer, step=1, rng=random.Random(0), kept=""
    )
    return report.loss, optimizer.gradients


def assert_same(ours, theirs) -> None:
    (our_loss, our_gradients), (their_loss, their_gradients) = ours, theirs
    assert our_loss == pytest.approx(their_loss, abs=TOLERANCE)
    assert our_gradients.keys() == their_gradients.keys()
    largest = max(float(one.abs().max()) for one in their_gradients.values())
    for name, gradient in our_gradients.items():
        # The tolerance goes with the gradients where they are small.
        close = TOLERANCE * min(1.0, max(largest, 1e-2))
        torch.testing.assert_close(gradient, their_gradients[name], atol=close, rtol=0, msg=name)


def configured(**changes) -> GrpoConfig:
    """Ours, such that one minibatch is taken against the rollouts' log-probs, and its gradients are not clipped."""
    plain = {
        "minibatches": 1,
        "old_log_probs": "rollout",
        "rollout_gap": 100,
        "grad_clip": 1e9,
        "micro_batch_tokens": 40,
    }
    return GrpoConfig(**plain | changes)


@pytest.mark.parametrize("aggregate", ["token-mean", "seq-mean-token-mean"])
@pytest.mark.parametrize("estimator", list(Estimator))
@given(rng=RANDOM, micro=st.integers(1, 4), most=st.sampled_from([1, 40, 10_000]))
@examples(max_examples=8, phases=[Phase.generate])
def test_loss_and_gradients_are_theirs(
    build, tokenizer, twins, reference, flags, aggregate, estimator, rng, micro, most
):
    args = flags("--actor.eps_clip_low_high", "0.2", "0.28", "--actor.loss_agg_mode", aggregate)
    made, rewards = played(build, rng, twins[1])
    args.algo.advantage.estimator = estimator.value
    args.rollout.n_samples_per_prompt, args.rollout.micro_batch_size = len(rewards[0]), micro
    config = configured(estimator=estimator, aggregate=aggregate, micro_batch_tokens=most)
    theirs = their_update(build, args, tokenizer, twins, reference, made)
    assert_same(our_update(build, config, twins, reference, made, rewards), theirs)


@pytest.mark.parametrize("aggregate", ["token-mean", "seq-mean-token-mean"])
@given(rng=RANDOM, micro=st.integers(1, 4), weight=st.sampled_from([0.01, 0.5]))
@examples(max_examples=8, phases=[Phase.generate])
def test_the_k3_divergence_is_weighted_as_theirs(
    build, tokenizer, twins, reference, flags, aggregate, rng, micro, weight
):
    kl = ("--algo.kl.init_coef", str(weight), "--algo.kl.use_loss", "--algo.kl.estimator", "k3")
    args = flags("--actor.eps_clip_low_high", "0.2", "0.28", "--actor.loss_agg_mode", aggregate, *kl)
    made, rewards = played(build, rng, twins[1])
    args.rollout.n_samples_per_prompt, args.rollout.micro_batch_size = len(rewards[0]), micro
    theirs = their_update(build, args, tokenizer, twins, reference, made)
    assert_same(our_update(build, configured(aggregate=aggregate, kl=weight), twins, reference, made, rewards), theirs)


@pytest.mark.parametrize(
    ("level", "mode", "low", "high"),
    [("token", "clip", 0.8, 1.2), ("token", "mask", 0.8, 1.2), ("seq", "mask", 0.9, 1.1)],
)
@given(rng=RANDOM)
@examples(max_examples=5, phases=[Phase.generate])
def test_samples_of_another_policy_are_corrected_for_as_there(
    build, tokenizer, twins, reference, flags, level, mode, low, high, rng
):
    correction = [f"is_correction_level {level}", f"is_correction_mode {mode}", f"is_correction_threshold {low} {high}"]
    args = flags(
        "--actor.eps_clip_low_high", "0.2", "0.28", *" ".join(f"--algo.advantage.{one}" for one in correction).split()
    )
    made, rewards = played(build, rng, twins[1])
    args.rollout.n_samples_per_prompt, args.rollout.micro_batch_size = len(rewards[0]), 2
    theirs = their_update(build, args, tokenizer, twins, reference, made, recomputed=True)
    config = configured(
        old_log_probs="recomputed",
        is_correction_level=level,
        is_correction_mode=mode,
        is_correction_threshold=(low, high),
    )
    assert_same(our_update(build, config, twins, reference, made, rewards), theirs)


@given(rng=RANDOM)
@examples(max_examples=4, phases=[Phase.generate])
def test_the_same_holds_at_another_temperature(build, tokenizer, twins, reference, flags, rng):
    args = flags("--actor.eps_clip_low_high", "0.2", "0.28")
    made, rewards = played(build, rng, twins[1], 0.7)
    args.algo.advantage.estimator = "group_norm"
    args.rollout.n_samples_per_prompt, args.rollout.micro_batch_size = len(rewards[0]), 2
    twins[0].temperature = 0.7
    try:
        theirs = their_update(build, args, tokenizer, twins, reference, made)
    finally:
        twins[0].temperature = 1.0
    assert_same(our_update(build, configured(), twins, reference, made, rewards, 0.7), theirs)


def test_the_same_holds_for_a_head_that_is_the_embedding_with_an_adapter_on_it(
    build, tokenizer, reference, flags, tmp_path
):
    ours = build.qwen3(tie_word_embeddings=True)
    twins = make_twins(build, build.save_policy(tmp_path, ours), ours)
    args = flags("--actor.eps_clip_low_high", "0.2", "0.28")
    args.algo.advantage.estimator = "group_norm"
    for number in range(4):
        made, rewards = played(build, random.Random(number), ours)
        args.rollout.n_samples_per_prompt, args.rollout.micro_batch_size = len(rewards[0]), 3
        theirs = their_update(build, args, tokenizer, twins, reference, made)
        assert_same(our_update(build, configured(), twins, reference, made, rewards), theirs)
