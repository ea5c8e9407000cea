"""Stage `speed`: generation and training by themselves, against the measured limits of the card."""

import asyncio
import gc
import random
import sys
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import torch
from clock import peak_memory, settled, wall
from costs import Work, costs_of, work_of
from plan import Findings, Plan, begin, read_findings
from stored import demonstrated, either, long_prompts, open_policy, prompts
from training import MICRO_BATCH_TOKENS

from sandmle.core.contracts.policy import TrainablePolicy
from sandmle.core.types.message import Message, ReplyOptions
from sandmle.plugins.trainers.local.batches import Weighted, micro_batches
from sandmle.plugins.trainers.local.config import GrpoConfig, SftConfig
from sandmle.plugins.trainers.local.grpo import Grpo
from sandmle.plugins.trainers.local.losses import action_log_probs
from sandmle.plugins.trainers.local.optimizing import Optimizer

REPEATS = 3
SHORT = 8
"""Tokens of the replies whose time is taken off, so that reading the prompts is not counted."""
STILL = 1e-12
"""Learning rate of updates that are only timed."""
TRAINED_TOKENS = 16_384
"""Of a timed update, at most, read and trained together."""


def limits(plan: Plan) -> tuple[float, float]:
    """Operations and bytes per second that the card was measured at; not a number where that stage failed."""
    facts = read_findings(plan.findings("machine"))["facts"]
    return facts.get("matmul_flop_per_s", float("nan")), facts.get("copy_bytes_per_s", float("nan"))


async def replies(
    plan: Plan, policy: TrainablePolicy, asked: Sequence[tuple[Message, ...]], tokens: int
) -> tuple[float, int, int]:
    """Seconds of replies sampled together, all prompts read anew; tokens sampled, and in the different prompts."""
    policy.weights_changed()
    settled(plan.device)
    options = [ReplyOptions(temperature=1.0, max_tokens=tokens, sample_index=number) for number in range(len(asked))]
    began = time.perf_counter()
    came = await asyncio.gather(*(policy.reply(one, option) for one, option in zip(asked, options, strict=True)))
    settled(plan.device)
    seconds = time.perf_counter() - began
    return seconds, sum(len(one.sampled_ids or ()) for one in came), sum(map(len, {one.prompt_ids for one in came}))


async def generation(plan: Plan, findings: Findings, copied: float) -> None:
    """Random weights all but never sample the end of a turn, so that every reply is as long as it may be."""
    policy = open_policy(plan.heavy / "policy", plan.device, plan.dtype)
    most = plan.amounts.replies
    await replies(plan, policy, prompts(plan, most), SHORT)
    for rows in sorted({1, max(1, most // 4), most}):
        await _decode(plan, findings, policy, prompts(plan, rows), copied)
    await _decode(plan, findings, policy, long_prompts(plan, policy, most, plan.amounts.long_prompt), copied)
    tell_memory(plan, findings, "generation")
    await policy.close()


async def _decode(
    plan: Plan, findings: Findings, policy: TrainablePolicy, asked: Sequence[tuple[Message, ...]], copied: float
) -> None:
    """Time long replies less short ones, which read the same prompts."""
    rows, width = len(asked), 2 if plan.dtype == "bfloat16" else 4
    # The faster of two each: whatever else the machine does only ever adds.
    short, few, read = min([await replies(plan, policy, asked, SHORT) for _ in range(2)])
    long, many, _ = min([await replies(plan, policy, asked, SHORT + plan.amounts.reply_tokens) for _ in range(2)])
    rate = (many - few) / (long - short)
    prompt = read / len(set(asked))
    context = prompt + SHORT + plan.amounts.reply_tokens / 2
    moved = costs_of(policy.module).decoding_bytes(rows, context, width) * rate / rows
    name = f"{rows} conversations at once, {context:,.0f} tokens each"
    findings.facts(**{f"generation, {name}": {"tokens_per_s": rate, "bytes_per_s": moved, "first_s": short}})
    findings.row(
        f"generation, {name}",
        f"{rate:,.0f} tokens/s, {1000 * rows / rate:.1f} ms a step; reads {moved / 1e9:,.1f} GB/s, "
        f"{moved / copied:.1%} of the copy; prompts ({read:,} tokens) and {SHORT} tokens each in {short:.2f} s",
    )


def sft_speed(plan: Plan, findings: Findings, flops: float) -> None:
    """One update of all weights, sequences read whole; and what SFT itself came to, which reads the same sequences."""
    policy = open_policy(plan.heavy / "policy", plan.device, plan.dtype)
    for parameter in policy.module.parameters():
        parameter.requires_grad_(True)
    everything = demonstrated(plan, policy)
    items = most_of(everything, TRAINED_TOKENS)
    optimizer = Optimizer(policy.module, SftConfig(warmup_steps=0), STILL, steps=REPEATS)
    device = next(policy.module.parameters()).device
    parts = list(micro_batches(items, MICRO_BATCH_TOKENS, device, share_prompts=False))
    work = work_of(parts)

    def update() -> None:
        for part in parts:
            log_probs, _ = action_log_probs(policy.module, part, 1.0)
            (-log_probs.sum() / work.sampled).backward()
        optimizer.update(1, 0.0, "")

    policy.module.train()
    tell_update(plan, findings, "SFT update, all weights", (work, costs_of(policy.module).update(work), flops), update)
    own = read_findings(plan.findings("sft"))["facts"].get("metrics") or []
    if own:
        tokens = plan.amounts.repeats * sum(len(one.sequence.observation_tokens) for one in everything)
        rate = tokens * len(own) / sum(one["seconds"] for one in own)
        findings.row("SFT through `sandmle train`", f"{rate:,.0f} tokens/s, padding left out, shared prompts counted")


def grpo_speed(plan: Plan, findings: Findings, flops: float) -> None:
    """One update of the adapter, by the trainer's own code, on what it sampled."""
    policy = open_policy(plan.policy(), plan.device, plan.dtype)
    policy.add_adapter(GrpoConfig(rank=plan.amounts.rank, alpha=2 * plan.amounts.rank).adapter_shape(), 0)
    found, origin = either(plan, policy)
    items = most_of(found, TRAINED_TOKENS)
    config = GrpoConfig(minibatches=1, rollout_gap=1e9, micro_batch_tokens=MICRO_BATCH_TOKENS)
    optimizer = Optimizer(policy.module, config, STILL, steps=REPEATS)
    trainer = Grpo(policy.module, config, 1.0, None)
    work = work_of(micro_batches(items, MICRO_BATCH_TOKENS, next(policy.module.parameters()).device))
    rng = random.Random(0)

    def update() -> None:
        trainer.update(items, optimizer, step=1, rng=rng, kept="")

    cost = costs_of(policy.module).update(work)
    tell_update(plan, findings, f"GRPO update with LoRA ({origin})", (work, cost, flops), update)


def tell_update(plan: Plan, findings: Findings, what: str, costs: tuple[Work, float, float], update: Any) -> None:
    """Time an update and say what share of the card's speed it makes use of."""
    work, operations, flops = costs
    update()
    seconds = median(wall(update, plan.device) for _ in range(REPEATS))
    share = operations / seconds / flops
    findings.facts(**{what: {"tokens": work.tokens, "sampled": work.sampled, "seconds": seconds, "mfu": share}})
    findings.row(
        what,
        f"{work.tokens / seconds:,.0f} tokens/s ({work.tokens:,} read, {work.sampled:,} trained, {seconds:.2f} s), "
        f"MFU {share:.1%} of the measured product",
    )
    tell_memory(plan, findings, what)


def tell_memory(plan: Plan, findings: Findings, what: str) -> None:
    peak = peak_memory(plan.device)
    if peak is not None:
        findings.row(f"peak memory, {what}", f"{peak:.1f} GiB")


def most_of(items: Sequence[Weighted], tokens: int) -> list[Weighted]:
    """The first few that have at most so many tokens, at least one."""
    chosen: list[Weighted] = []
    for item in items:
        tokens -= len(item.sequence.observation_tokens)
        if chosen and tokens < 0:
            break
        chosen.append(item)
    return chosen


def main() -> None:
    plan, findings, _ = begin()
    flops, copied = limits(plan)
    parts = {
        "generation": lambda: asyncio.run(generation(plan, findings, copied)),
        "sft": lambda: sft_speed(plan, findings, flops),
        "grpo": lambda: grpo_speed(plan, findings, flops),
    }
    wanted = sys.argv[1].removeprefix("speed-")
    parts[wanted]()
    gc.collect()
    if plan.device == "cuda":
        torch.cuda.empty_cache()
    findings.finish()


if __name__ == "__main__":
    main()
