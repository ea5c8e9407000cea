"""Stage `tiny`: the policy of 0.7 M parameters that learns on a laptop, on this card and on this processor."""

import asyncio
import random
import time
from statistics import median

from clock import settled, wall
from plan import Findings, Plan, begin
from stored import demonstrated, open_policy, prompts

from sandmle.core.contracts.policy import TrainablePolicy
from sandmle.core.engine.store import read_episodes
from sandmle.core.types.message import ReplyOptions
from sandmle.plugins.llms.local.config import LocalConfig
from sandmle.plugins.llms.local.model import LocalProvider
from sandmle.plugins.trainers.local.batches import Weighted
from sandmle.plugins.trainers.local.config import GrpoConfig, ShapeConfig
from sandmle.plugins.trainers.local.demonstrations import texts_by_task
from sandmle.plugins.trainers.local.grpo import Grpo
from sandmle.plugins.trainers.local.optimizing import Optimizer

REPLIES, REPLY_TOKENS = 32, 64
REPEATS = 3
STILL = 1e-12


def update_seconds(policy: TrainablePolicy, items: list[Weighted], device: str) -> float:
    """A whole update of GRPO with LoRA, median."""
    config = GrpoConfig(minibatches=1, rollout_gap=1e9)
    policy.add_adapter(config.adapter_shape(), 0)
    trainer = Grpo(policy.module, config, 1.0, None)
    optimizer = Optimizer(policy.module, config, STILL, steps=1)

    def update() -> None:
        trainer.update(items, optimizer, step=1, rng=random.Random(0), kept="")

    update()
    return median(wall(update, device) for _ in range(REPEATS))


async def generation_rate(plan: Plan, policy: TrainablePolicy, device: str) -> float:
    """Tokens per second of replies sampled together, the better of two."""
    rates = []
    for _ in range(2):
        policy.weights_changed()
        began = time.perf_counter()
        options = [ReplyOptions(max_tokens=REPLY_TOKENS, sample_index=number) for number in range(REPLIES)]
        asked = zip(prompts(plan, REPLIES), options, strict=True)
        came = await asyncio.gather(*(policy.reply(one, option) for one, option in asked))
        settled(device)
        rates.append(sum(len(one.sampled_ids or ()) for one in came) / (time.perf_counter() - began))
    return max(rates)


def measure(plan: Plan, findings: Findings, device: str, dtype: str, threads: int) -> None:
    policy = open_policy(plan.work / "tiny", device, dtype, threads)
    items = [
        Weighted(sequence=one.sequence, advantage=1.0 if number % 2 else -1.0)
        for number, one in enumerate(demonstrated(plan, policy)[: plan.amounts.tiny])
    ]
    rate = asyncio.run(generation_rate(plan, policy, device))
    seconds = update_seconds(policy, items, device)
    tokens = sum(len(one.sequence.observation_tokens) for one in items)
    name = f"{device}, {dtype}" + (f", {threads} threads" if device == "cpu" else "")
    findings.facts(**{name: {"update_s": seconds, "generation_tokens_per_s": rate, "tokens": tokens}})
    findings.row(
        f"policy of 0.7 M on {name}",
        f"update {1000 * seconds:,.0f} ms ({len(items)} trajectories, {tokens:,} tokens); "
        f"generation {rate:,.0f} tokens/s ({REPLIES} at once)",
    )


def main() -> None:
    plan, findings, _ = begin()
    texts = texts_by_task(read_episodes(plan.demonstrations))
    LocalProvider(LocalConfig()).create_policy(texts, ShapeConfig().shape(), 0, plan.work / "tiny")
    if plan.device == "cuda":
        for dtype in ("float32", "bfloat16"):
            measure(plan, findings, "cuda", dtype, 1)
    for threads in (1, 8) if plan.device == "cuda" else (1,):
        measure(plan, findings, "cpu", "float32", threads)
    findings.finish()


if __name__ == "__main__":
    main()
