"""The figures as Markdown, for `docs/results.md`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

UPDATE_LIMIT: Final = 1.1
ROLLOUT_LIMIT: Final = 1.3


def as_markdown(result: Mapping[str, Any]) -> str:
    """Three tables, one after another."""
    return "\n".join([*_speed(result), "", *_faults(result["faults"])])


def _speed(result: Mapping[str, Any]) -> list[str]:
    lines = ["| what | ours | beside | ratio | limit |", "|---|---|---|---|---|"]
    update = result["update"]
    for name, words in (("lora", "one update, LoRA without the head"), ("full", "one update, all weights")):
        if update is not None:
            one = update[name]
            lines.append(
                f"| {words} | {_spread(one['ours_s'])} s | TRL {update['trl']}: {_spread(one['trl_s'])} s "
                f"({one['trl_sequences_at_once']} sequences at once) | {one['ratio']:.2f} | {UPDATE_LIMIT} |"
            )
    for at_once, one in result["rollouts"].items():
        lines.append(
            f"| rollout of {one['episodes']} episodes, {at_once} at once | {one['wall_s']:.1f} s | generation "
            f"{one['generation_s']:.1f} s, agent code {one['code_s']:.1f} s, where they overlap counted once "
            f"| {one['ratio']:.2f} | {ROLLOUT_LIMIT} |"
        )
    first = next(iter(result["rollouts"].values()))
    lines.append(f"| an episode by its own record, median | | | {first['episode_ratio']:.2f} | {ROLLOUT_LIMIT} |")
    if update is not None:
        lines += [
            "",
            f"{update['sequences']} sequences of {update['tokens']} tokens, {update['trained_tokens']} trained; "
            f"torch {update['torch']}, one thread; medians of {len(update['lora']['ours_s'])} updates in turns, in "
            "brackets the fastest and the slowest. The losses of the first update differ by "
            f"{update['lora']['loss_difference']:.1e} (LoRA) and {update['full']['loss_difference']:.1e} (all).",
        ]
    elif result["left_out"]:
        lines += ["", f"No comparison with TRL: {result['left_out']}"]
    return lines


def _faults(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "| what fails | of episodes | left out | groups kept | what training did | reward | failures by action before "
        "| bias of advantages | were failures 0 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        by_action = ", ".join(f"{kind} {rate:.1%}" for kind, rate in sorted(row["rate_by_action"].items())) or "-"
        told = f"stopped: {row['stopped']}" if row["stopped"] else f"{row['updates']} updates in {row['steps']} steps"
        known = row.get("bias") is not None
        biased = f"{row['bias']:+.4f} ± {row['bias_standard_error']:.4f}" if known else "-"
        zero = f"{row['bias_if_failures_were_zero']:+.3f}" if known else "-"
        reward = "-" if row["reward"] is None else f"{row['reward']:.3f}"
        lines.append(
            f"| {row['faults']} | {row['rate']:.0%} | {row['left_out']} of {row['episodes']} | {row['kept_groups']} of "
            f"{row['groups']} | {told} | {reward} | {by_action} | {biased} | {zero} |"
        )
    return lines


def _spread(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2]:.3f} ({ordered[0]:.3f} to {ordered[-1]:.3f})"
