"""One GRPO update, ours and TRL's in turns, of the same module on the same trajectories. Runs where TRL is installed.

    python update.py POLICY RUN --repeats 5

Prints one JSON document. Of TRL's step only the update is timed: loss, gradients, clipping, optimizer; padding, rewards
and advantages have been computed before. Of ours everything after the advantages is: batches are made inside.
"""

import argparse
import json
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from sandmle.core.engine.advantage import Estimator
from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.training import training_sequences
from sandmle.plugins.trainers.local.batches import Weighted
from sandmle.plugins.trainers.local.config import GrpoConfig
from sandmle.plugins.trainers.local.groups import judge, weighted
from sandmle.plugins.trainers.local.grpo import Grpo
from sandmle.plugins.trainers.local.optimizing import Optimizer

TARGETS: Final = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""TRL refuses an adapter on the head."""
RATE: Final = 1e-5
MICRO: Final = (None, 8)
"""Sequences of one of TRL's passes that are tried, None for all; the faster one counts."""


def main() -> None:
    """Measure what the command line asks for."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("policy", type=Path)
    words.add_argument("run", type=Path)
    words.add_argument("--repeats", type=int, default=5)
    words.add_argument("--sequences", type=int, default=32, help="at most")
    given = words.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    trl = _import_trl()
    items = read_items(given.run)[: given.sequences]
    result = {
        "torch": torch.__version__,
        "trl": trl.__version__,
        "sequences": len(items),
        "tokens": sum(len(one.sequence.observation_tokens) for one in items),
        "trained_tokens": sum(end - start for one in items for start, end in one.sequence.action_ranges),
        "lora": compare(given.policy, items, given.repeats, adapter=True),
        "full": compare(given.policy, items, given.repeats, adapter=False),
    }
    print(json.dumps(result))


def read_items(run: Path) -> list[Weighted]:
    """What a step trains of these episodes; where all rewards are equal, advantages of plus and minus 1 in turns."""
    groups: dict[str, list[Any]] = {}
    for episode in read_episodes(run):
        groups.setdefault(episode.task_id, []).append(episode)
    judged = [judge(episodes, Estimator.GROUP_NORM) for episodes in groups.values()]
    items = weighted([group for group in judged if group.kept], mask_truncated=False)
    if items:
        return items
    sequences = [one for episodes in groups.values() for episode in episodes for one in training_sequences(episode)]
    return [Weighted(sequence=one, advantage=(-1.0) ** number) for number, one in enumerate(sequences)]


def compare(policy: Path, items: list[Weighted], repeats: int, *, adapter: bool) -> dict[str, Any]:
    """Median and all seconds of both, and the loss of the first update."""
    ours, first_loss = our_update(open_module(policy, adapter=adapter), items, adapter=adapter)
    candidates = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in MICRO:
            module = open_module(policy, adapter=adapter)
            candidates[size] = their_update(module, policy, items, Path(folder) / str(size), size)
        found: dict[Any, list[float]] = {"ours": [], **{size: [] for size in MICRO}}
        losses: dict[Any, float] = {}
        # The first round is thrown away: threads, memory and kernels are found in it.
        for turn in range(repeats + 1):
            for name, update in [("ours", ours), *((size, one) for size, (one, _) in candidates.items())]:
                began = time.perf_counter()
                update()
                if turn:
                    found[name].append(time.perf_counter() - began)
                else:
                    losses[name] = first_loss[0] if name == "ours" else candidates[name][1][0]
    best = min(MICRO, key=lambda size: median(found[size]))
    return {
        "ours_s": found["ours"],
        "trl_s": found[best],
        "trl_sequences_at_once": best or len(items),
        "ours_median_s": median(found["ours"]),
        "trl_median_s": median(found[best]),
        "ratio": median(found["ours"]) / median(found[best]),
        "loss_difference": abs(losses["ours"] - losses[best]),
    }


def open_module(policy: Path, *, adapter: bool) -> Any:
    """The policy, the same each time."""
    module = AutoModelForCausalLM.from_pretrained(policy, attn_implementation="sdpa", dtype=torch.float32)
    if adapter:
        torch.manual_seed(1)
        config = LoraConfig(task_type="CAUSAL_LM", r=32, lora_alpha=64, target_modules=list(TARGETS))
        module = get_peft_model(module, config)
    return module.train()


def our_update(module: Any, items: list[Weighted], *, adapter: bool) -> tuple[Callable[[], None], list[float]]:
    """A call that makes one update."""
    config = GrpoConfig(adapter=adapter, minibatches=1, learning_rate=RATE, warmup_steps=0, rollout_gap=100.0)
    optimizer = Optimizer(module, config, RATE, steps=1000)
    grpo = Grpo(module, config, 1.0, None)
    losses: list[float] = []

    def update() -> None:
        losses.append(grpo.update(items, optimizer, step=1, rng=random.Random(0), kept="").loss)

    return update, losses


def their_update(
    module: Any, policy: Path, items: list[Weighted], folder: Path, size: int | None
) -> tuple[Callable[[], None], list[float]]:
    """A call that makes one update with TRL's trainer's own loss and optimizer."""
    trainer = _their_trainer(module, policy, items, folder)
    trainer.current_gradient_accumulation_steps = 1
    batch = trainer._generate_and_score_completions([{"prompt": "p"}] * len(items))
    batch["advantages"] = torch.tensor([one.advantage for one in items])
    parts = [_rows(batch, at, at + (size or len(items))) for at in range(0, len(items), size or len(items))]
    optimizer = trainer.create_optimizer()
    parameters = [one for one in module.parameters() if one.requires_grad]
    losses: list[float] = []

    def update() -> None:
        # The loss of each part is over the tokens of all, so that they add up.
        found = 0.0
        for part in parts:
            loss = trainer._compute_loss(module, part)
            loss.backward()
            found += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(parameters, trainer.args.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(found)

    return update, losses


def _their_trainer(module: Any, policy: Path, items: list[Weighted], folder: Path) -> Any:
    """TRL's trainer, whose rollouts are these sequences."""
    from datasets import Dataset

    trl = _import_trl()
    sequences = [one.sequence for one in items]

    def rollouts(prompts: Any, trainer: Any) -> dict[str, Any]:
        starts = [one.action_ranges[0][0] for one in sequences]
        masks = [one.action_mask() for one in sequences]
        return {
            "prompt_ids": [list(one.observation_tokens[:at]) for one, at in zip(sequences, starts, strict=True)],
            "completion_ids": [list(one.observation_tokens[at:]) for one, at in zip(sequences, starts, strict=True)],
            "logprobs": [list(one.rollout_log_probs[at:]) for one, at in zip(sequences, starts, strict=True)],
            "env_mask": [[int(one) for one in mask[at:]] for mask, at in zip(masks, starts, strict=True)],
        }

    # Their groups must be of one size, ours need not: the advantages are put in below.
    config = trl.GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=len(items),
        num_generations=len(items),
        max_completion_length=4096,
        loss_type="dapo",
        beta=0.0,
        epsilon=0.2,
        epsilon_high=0.28,
        learning_rate=RATE,
        weight_decay=0.0,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
    )
    return trl.GRPOTrainer(
        model=module,
        reward_funcs=[lambda completions, **others: [float(number) for number in range(len(completions))]],
        args=config,
        train_dataset=Dataset.from_list([{"prompt": "p"}]),
        processing_class=PreTrainedTokenizerFast.from_pretrained(policy),
        rollout_func=rollouts,
    )


def _rows(batch: dict[str, Any], start: int, end: int) -> dict[str, Any]:
    """Some of the sequences, without the columns that are padding in all of them: TRL cuts those, too, where it can."""
    count = len(batch["advantages"])
    cut = {
        name: value[start:end] if isinstance(value, torch.Tensor) and value.dim() and len(value) == count else value
        for name, value in batch.items()
    }
    longest = int(cut["completion_mask"].sum(-1).max())
    shortest_padding = int((cut["prompt_mask"] == 0).sum(-1).min())
    for name, value in cut.items():
        if isinstance(value, torch.Tensor) and value.dim() == 2:
            width = value.shape[1]
            if width == batch["completion_ids"].shape[1]:
                cut[name] = value[:, :longest]
            elif width == batch["prompt_ids"].shape[1]:
                cut[name] = value[:, shortest_padding:]
    return cut


def _import_trl() -> Any:
    # TRL would take the stub of vLLM that stands in this environment for the real one.
    sys.modules["vllm"] = None  # type: ignore[assignment]
    import trl

    return trl


if __name__ == "__main__":
    main()
