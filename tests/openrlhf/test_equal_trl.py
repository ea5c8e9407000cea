"""One update of the local trainer is one of TRL's GRPOTrainer, once TRL's documented epsilon of 1e-4 is put in.

Theirs runs from its rollout function on: padding, masks, rewards, advantages, loss.
"""

import random
import warnings

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model

from sandmle.core.engine import advantage
from sandmle.core.engine.advantage import Estimator, group_advantages
from sandmle.plugins.trainers.local.batches import Weighted
from sandmle.plugins.trainers.local.config import GrpoConfig
from sandmle.plugins.trainers.local.grpo import Grpo

TOLERANCE = 1e-5
TRL_EPSILON = 1e-4
"""What TRL adds to the standard deviation of a group."""
GROUPS, SIZE = 2, 4
# TRL refuses an adapter on the head.
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@pytest.fixture(scope="module")
def adapted(build):
    """A function that makes the same module with the same adapter each time."""

    def make():
        config = LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=list(TARGETS))
        module = get_peft_model(build.qwen3(), config)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            for name, one in module.named_parameters():
                if "lora_" in name:
                    one.data.normal_(std=0.1)
        return module.eval()

    return make


@pytest.fixture(scope="module")
def played(build, adapted):
    """Groups of trajectories, with log-probs of a policy a little away, and their rewards."""
    rng, module = random.Random(5), adapted()
    made, rewards = [], []
    for group in range(GROUPS):
        prompt = [rng.randrange(build.VOCABULARY) for _ in range(3 + 2 * group)]
        rewards.append([rng.randrange(21) / 20 for _ in range(SIZE)])
        for slot in range(SIZE):
            one = build.sequence(rng, f"g{group}/{slot}", prompt=prompt, turns=1 + slot % 3)
            made.append(build.around(rng, one, module))
    return made, rewards


@pytest.fixture(scope="module")
def trl(build):
    return build.import_trl()


def moved(module):
    """The module as if training had gone on: the reference of a divergence stays where it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        for name, one in module.named_parameters():
            if "lora_B.default" in name:
                one.data += 0.02 * torch.randn_like(one)
    return module


def their_trainer(trl, folder, module, tokenizer, played, *, loss_type: str, beta: float, scale: str):
    made, rewards = played

    def rollouts(prompts, trainer):
        starts = [one.action_ranges[0][0] for one in made]
        masks = [one.action_mask() for one in made]
        return {
            "prompt_ids": [list(one.observation_tokens[:at]) for one, at in zip(made, starts, strict=True)],
            "completion_ids": [list(one.observation_tokens[at:]) for one, at in zip(made, starts, strict=True)],
            "logprobs": [list(one.rollout_log_probs[at:]) for one, at in zip(made, starts, strict=True)],
            "env_mask": [[int(one) for one in mask[at:]] for mask, at in zip(masks, starts, strict=True)],
            "earned": [reward for group in rewards for reward in group],
        }

    config = trl.GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=len(made),
        num_generations=SIZE,
        max_completion_length=64,
        loss_type=loss_type,
        beta=beta,
        # On by default; OpenRLHF's plain k3, which ours is, has no such factor.
        use_bias_correction_kl=False,
        scale_rewards=scale,
        epsilon=0.2,
        epsilon_high=0.28,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = trl.GRPOTrainer(
            model=module,
            reward_funcs=[lambda completions, earned, **others: earned],
            args=config,
            train_dataset=Dataset.from_list([{"prompt": f"p{number}"} for number in range(GROUPS)]),
            processing_class=tokenizer,
            rollout_func=rollouts,
        )
    trainer.current_gradient_accumulation_steps = 1
    return trainer


@pytest.mark.parametrize(
    ("loss_type", "aggregate", "beta"),
    [
        ("dapo", "token-mean", 0.0),
        ("dapo", "token-mean", 0.3),
        ("bnpo", "token-mean", 0.0),
        ("grpo", "seq-mean-token-mean", 0.0),
    ],
)
@pytest.mark.parametrize(("scale", "estimator"), [("group", Estimator.GROUP_NORM), ("none", Estimator.DR_GRPO)])
def test_advantages_loss_and_gradients_are_those_of_trl(
    build, trl, adapted, tokenizer, played, tmp_path, monkeypatch, loss_type, aggregate, beta, scale, estimator
):
    made, rewards = played
    theirs = adapted()
    trainer = their_trainer(trl, tmp_path, theirs, tokenizer, played, loss_type=loss_type, beta=beta, scale=scale)
    # TRL's reference is a copy of the adapter that training began with.
    moved(theirs).train()
    batch = trainer._generate_and_score_completions([{"prompt": f"p{number // SIZE}"} for number in range(len(made))])
    # TRL takes the ratio against the rollout only with vLLM; what it holds of the rollout is the same here.
    batch["old_per_token_logps"] = batch["sampling_per_token_logps"]
    their_loss = trainer._compute_loss(theirs, batch)
    their_loss.backward()

    monkeypatch.setattr(advantage, "STD_EPS", TRL_EPSILON)
    advantages = [one for group in rewards for one in group_advantages(group, estimator).advantages]
    assert advantages == pytest.approx(batch["advantages"].tolist(), abs=TOLERANCE)
    config = GrpoConfig(
        aggregate=aggregate,
        kl=beta,
        minibatches=1,
        old_log_probs="rollout",
        rollout_gap=100,
        micro_batch_tokens=40,
        grad_clip=1e9,
    )
    ours = moved(adapted())
    optimizer = build.Recording(ours, config)
    items = [Weighted(sequence=one, advantage=number) for one, number in zip(made, advantages, strict=True)]
    report = Grpo(ours, config, 1.0, adapted() if beta else None).update(
        items, optimizer, step=1, rng=random.Random(0), kept=""
    )
    assert report.loss == pytest.approx(their_loss.item(), abs=TOLERANCE)
    their_gradients = {name: one.grad for name, one in theirs.named_parameters() if one.grad is not None}
    assert their_gradients.keys() == optimizer.gradients.keys()
    assert max(float(one.abs().max()) for one in their_gradients.values()) > 1e-2
    for name, gradient in optimizer.gradients.items():
        torch.testing.assert_close(gradient, their_gradients[name], atol=TOLERANCE, rtol=0, msg=name)
