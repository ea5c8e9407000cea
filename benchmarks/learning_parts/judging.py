"""What was asked of the learned policy, and whether it was reached."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from learning_parts.figures import Played, difference, summary
from learning_parts.fixed import FIXED, PORTFOLIO

TEACHER = "teacher"
RANDOM_RUNNING = "random running program"
IF_ELSE = "if/else program"
SHUFFLED = "shuffled"
WANTED_GAIN = 0.669
"""Relative gain in medal rate over SFT that is asked for."""
BASELINES = ("sft", "sft-medal", "rejection", TEACHER, RANDOM_RUNNING, FIXED, PORTFOLIO)
"""What imitates or learns nothing. The teacher draws programs by chance, and plays at least as many as a policy. The
if/else program is none of them: who wrote it knew how tasks are made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How far an arm is on the way from the best baseline to the best program of each task."""

    base: str
    gain: float
    """Difference in medal rate to the baseline."""
    share: float


def verdicts(played: Mapping[str, Sequence[Played]]) -> list[dict[str, Any]]:
    """Differences in medal rate with their intervals; `reached` is None for what was not measured."""
    asked = [("grpo-lora", base) for base in BASELINES]
    asked += [("grpo-full", "sft"), ("grpo-lora", f"grpo-lora-{SHUFFLED}"), ("grpo-lora", "grpo-lora-sparse")]
    found: list[dict[str, Any]] = []
    for arm, base in asked:
        if arm not in played or base not in played:
            found.append({"arm": arm, "over": base, "reached": None})
            continue
        gain = difference(played[arm], played[base])
        below = summary(played[base])["medal"].mean
        relative = gain.mean / below if below else math.inf
        enough = relative >= WANTED_GAIN or base != "sft"
        found.append({"arm": arm, "over": base, "gain": gain, "relative": relative, "reached": enough and gain.low > 0})
    return found


def gap_share(played: Mapping[str, Sequence[Played]], arm: str, best: str) -> Gap:
    """Of `arm`, between the best of the baselines that were played and `best`."""
    rates = {name: summary(rows)["medal"].mean for name, rows in played.items()}
    base = max((name for name in BASELINES if name in rates), key=lambda name: rates[name])
    way = rates[best] - rates[base]
    return Gap(
        base=base, gain=rates[arm] - rates[base], share=(rates[arm] - rates[base]) / way if way > 0 else math.nan
    )
