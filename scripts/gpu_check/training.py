"""Stages `sft` and `grpo`: `sandmle train` on the device, and what its own records say of it."""

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from command import run
from plan import Findings, Plan, begin

from sandmle.core.engine.store import read_episodes
from sandmle.core.types.episode import Episode, Outcome

REPLY_TOKENS = 64
MICRO_BATCH_TOKENS = 8192
PARTS = ("llm_s", "start_s", "run_s", "grade_s", "queue_s", "other_s")


def device_options(plan: Plan) -> dict[str, Any]:
    """Where policies compute."""
    return {"plugin.llm.local.device": plan.device, "plugin.llm.local.dtype": plan.dtype}


def sft(plan: Plan, findings: Findings, ends: float) -> None:
    """Imitate the demonstrations, all weights trained."""
    amounts, out = plan.amounts, plan.heavy / "sft"
    demos = [word for _ in range(amounts.repeats) for word in ("--demos", str(plan.demonstrations))]
    words = ["train", "sft", *demos, "--tasks", str(plan.tasks), "--policy", str(plan.heavy / "policy"), "-o", str(out)]
    options = {
        **device_options(plan),
        "plugin.trainer.local.sft.epochs": amounts.epochs,
        "plugin.trainer.local.sft.learning_rate": amounts.sft_rate,
        "plugin.trainer.local.sft.batch_sequences": amounts.batch,
        "plugin.trainer.local.sft.micro_batch_tokens": MICRO_BATCH_TOKENS,
        # It also reads every sequence whole. So few tokens take as long as the launches of their kernels, and sequences
        # that share a beginning would be two passes for every beginning.
        "plugin.trainer.local.sft.gradient_checkpointing": "true",
    }
    whole, seconds = run(plan, words, options, ends, drains=True)
    lines = read_lines(out / "metrics.jsonl")
    findings.facts(metrics=lines, wall_s=seconds)
    if not lines:
        findings.problem("no epoch of SFT was finished in its time")
        return
    passes = amounts.repeats * len(lines)
    losses = " -> ".join(f"{one['loss']:.3f}" for one in lines)
    trained, tokens = sum(one["seconds"] for one in lines), sum(one["tokens"] for one in lines)
    findings.row(
        "SFT, all weights: loss by epoch",
        f"{losses} ({passes} passes; {'' if whole else 'stopped by time, '}{tokens / trained:,.0f} imitated tokens/s)",
    )
    findings.row("SFT: time", f"{trained:.1f} s training of {seconds:.1f} s; the rest is start-up and checkpoints")
    findings.expect(lines[-1]["loss"] < lines[0]["loss"] or len(lines) == 1, "SFT did not lower its loss")


def grpo(plan: Plan, findings: Findings, ends: float) -> None:
    """Learn by doing, with an adapter on every projection and on the head."""
    amounts, out = plan.amounts, plan.heavy / "grpo"
    start = plan.heavy / "sft"
    words = [
        "train",
        "grpo",
        "--policy",
        str(start if (start / "last").exists() else plan.heavy / "policy"),
        "--tasks",
        str(plan.tasks),
        "--lora",
        "--steps",
        str(amounts.steps),
        "-k",
        str(amounts.group_size),
        "-o",
        str(out),
    ]
    options = {
        **device_options(plan),
        "plugin.sandbox.process.allow_unsafe": "true",
        "plugin.trainer.local.grpo.tasks_per_step": amounts.tasks_per_step,
        "plugin.trainer.local.grpo.learning_rate": amounts.grpo_rate,
        "plugin.trainer.local.grpo.warmup_steps": 1,
        "plugin.trainer.local.grpo.rank": amounts.rank,
        "plugin.trainer.local.grpo.alpha": 2 * amounts.rank,
        "plugin.trainer.local.grpo.micro_batch_tokens": MICRO_BATCH_TOKENS,
        # Groups that teach nothing are not played again: one that does is enough here, and time is short.
        "plugin.trainer.local.grpo.refills": 0,
        # The stage `canaries` has it, with the same trainer on the same device.
        "plugin.trainer.local.grpo.reward_canary": "false",
        "run.concurrency": amounts.tasks_per_step * amounts.group_size,
        "run.max_tokens": REPLY_TOKENS,
    }
    whole, seconds = run(plan, words, options, ends, drains=True)
    lines = read_lines(out / "metrics.jsonl")
    findings.facts(metrics=lines, wall_s=seconds)
    if not lines:
        findings.problem("no step of GRPO was finished in its time")
        return
    updates = [one for one in lines if one.get("loss") is not None]
    rewards = ", ".join("-" if one["reward"] is None else f"{one['reward']:.3f}" for one in lines)
    findings.row(
        "GRPO with LoRA: reward by step",
        f"{rewards} ({len(lines)} steps{'' if whole else ', stopped by time'}, {len(updates)} updates)",
    )
    findings.expect(bool(updates), "no group had any variance: no step of GRPO changed a weight")
    tell_canaries(findings, lines, updates)
    episodes = [one for folder in sorted((out / "steps").iterdir()) for one in read_episodes(folder)]
    tell_time(findings, lines, episodes, seconds)
    failed = sum(one.outcome is Outcome.INFRASTRUCTURE for one in episodes)
    findings.expect(not failed, f"{failed} of {len(episodes)} episodes were failed by the infrastructure")


def tell_canaries(findings: Findings, lines: Sequence[dict[str, Any]], updates: Sequence[dict[str, Any]]) -> None:
    """What trainer and generator disagree by: a fixed question after every step, all sampled tokens before each."""
    canary = max(one["canary_gap"] for one in lines)
    findings.row("canary: trainer against generator after each update, worst", f"{canary:.2g} nats")
    if updates:
        gap = max(one["rollout_gap"] for one in updates)
        tokens = sum(one["tokens"] for one in updates)
        findings.row("trainer against rollout, mean per step, worst", f"{gap:.2g} nats/token ({tokens:,} tokens)")


def tell_time(findings: Findings, lines: Sequence[dict[str, Any]], episodes: Sequence[Episode], wall_s: float) -> None:
    """Where the time went: of the run, of a step, and of an episode."""
    play, train = (sum(one["seconds"][name] for one in lines) for name in ("play", "train"))
    rest = wall_s - play - train
    sampled = sum(one.usage.completion_tokens for one in episodes)
    findings.row(
        "GRPO: share of wall time",
        f"playing {play / wall_s:.0%}, training {train / wall_s:.0%}, start-up and "
        f"checkpoints {rest / wall_s:.0%} of {wall_s:.1f} s",
    )
    findings.row(
        "GRPO: a step",
        f"playing {play / len(lines):.1f} s, training {train / len(lines):.1f} s; "
        f"{len(episodes) / play:.1f} episodes/s, {sampled / play:,.0f} sampled tokens/s while playing",
    )
    parts = {part: sum(getattr(one.timings, part) for one in episodes) for part in PARTS}
    total = sum(parts.values()) or 1.0
    told = ", ".join(f"{part.removesuffix('_s')} {seconds / total:.0%}" for part, seconds in parts.items())
    findings.row("GRPO: share of an episode's time", f"{told} ({total / len(episodes):.2f} s each)")
    findings.facts(
        play_s=play,
        train_s=train,
        rest_s=rest,
        episodes=len(episodes),
        sampled_tokens=sampled,
        parts_s=parts,
        stops=Counter(str(one.stop_reason) for one in episodes),
        levels=Counter(str(one.level) for one in episodes),
    )


def read_lines(path: Path) -> list[dict[str, Any]]:
    """What a training has recorded; nothing when it did not get that far."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def main() -> None:
    plan, findings, limit_s = begin()
    ends = time.monotonic() + limit_s
    {"sft": sft, "grpo": grpo}[sys.argv[1]](plan, findings, ends)
    findings.finish()


if __name__ == "__main__":
    main()
