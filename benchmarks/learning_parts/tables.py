"""Figures as lines for a person."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from learning_parts.figures import MEASURES, SHARES, Interval

CURVE = ("reward", "any_medal", "gold", "valid", "entropy", "turns", "kept_groups", "grad_norm", "clipped")


def table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """One row per arm: means with 95 % intervals, and the numbers that they are over."""
    lines = [
        f"| arm | {' | '.join(MEASURES)} | families / tasks / episodes |",
        f"|---{'|---' * len(MEASURES)}|---|",
    ]
    for name, row in figures.items():
        cells = [_shown(row[measure], 3 if measure in MEASURES[:SHARES] else 1) for measure in MEASURES]
        counts = f"{row['families']} / {row['tasks']} / {row['episodes']}"
        lines.append(f"| {name} | {' | '.join(cells)} | {counts} |")
    return "\n".join(lines)


def compared(judged: Sequence[Mapping[str, Any]]) -> str:
    """Differences in medal rate, and whether each is what was asked for."""
    lines = []
    for one in judged:
        pair = f"{one['arm']} over {one['over']}"
        if one["reached"] is None:
            lines.append(f"{pair}: not measured here")
            continue
        relative = "from nothing" if math.isinf(one["relative"]) else f"{one['relative']:+.0%}"
        word = "reached" if one["reached"] else "NOT REACHED"
        lines.append(f"{pair}: medal rate {_shown(one['gain'], 3, '+')} ({relative}): {word}")
    return "\n".join(lines)


def curve(run: Path) -> dict[str, Any]:
    """Steps and validations of a training run, as data and as lines."""
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    validations = [json.loads(line) for line in (run / "evaluations.jsonl").read_text("utf-8").splitlines()]
    lines = ["step  " + "  ".join(CURVE)]
    for step in steps:
        cells = ("-" if step.get(name) is None else f"{step[name]:.3f}" for name in CURVE)
        lines.append(f"{step['step']:4d}  " + "  ".join(cells))
    for one in validations:
        lines.append(f"validation at {one['step']}: reward {one['reward']:.3f}, medal {one['any_medal']:.3f}")
    return {"steps": steps, "validations": validations, "lines": lines}


def _shown(value: Interval, digits: int, sign: str = "") -> str:
    if not math.isfinite(value.mean):
        return "-"
    return f"{value.mean:{sign}.{digits}f} [{value.low:{sign}.{digits}f}, {value.high:{sign}.{digits}f}]"
