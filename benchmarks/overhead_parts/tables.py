"""The figures as a table for people."""

from collections.abc import Mapping
from typing import Any, Final

LIMIT_MS: Final = 5.0
BUSY_AT_LEAST: Final = 0.95


def verdict(holds: bool) -> str:
    return "holds" if holds else "DOES NOT HOLD"


def as_text(figures: Mapping[str, Any]) -> str:
    """Everything that was measured, in the order of the questions."""
    return "\n\n".join([_parts(figures), _scaffolds(figures), _beside(figures), _busy(figures)]) + "\n"


def _parts(figures: Mapping[str, Any]) -> str:
    step = figures["step"]
    lines = [
        f"What a step takes under react, {figures['episodes']} episodes at once, {figures['processors']} processors:",
        "milliseconds of processor time; the model itself takes none",
        *(f"  {name:<34}{took:>8.3f}" for name, took in step["parts_ms"].items()),
        f"  {'less the clock that told the parts':<34}{-step['clock_ms']:>8.3f}",
        f"  {'all of it, median step':<34}{step['median_ms']:>8.3f}   at most {LIMIT_MS:g}: {verdict(step['holds'])}",
        f"  {'passed for each step':<34}{step['elapsed_ms']:>8.3f}",
    ]
    return "\n".join(lines)


def _scaffolds(figures: Mapping[str, Any]) -> str:
    lines = [f"{'Every scaffold, ms a step':<36}{'median step':>12}{'passed':>10}{'steps':>8}{'replies':>9}"]
    lines += [
        f"  {name:<34}{row['median_ms']:>12.3f}{row['elapsed_ms']:>10.3f}{row['steps']:>8}{row['turns']:>9}"
        for name, row in figures["scaffolds"].items()
    ]
    return "\n".join(lines)


def _beside(figures: Mapping[str, Any]) -> str:
    lines = [f"{'Side by side, ms a step, in turns':<56}{'passed':>10}{'processor':>11}"]
    lines += [
        f"  {name:<54}{row['elapsed_ms']:>10.3f}{row['cpu_ms']:>11.3f}" for name, row in figures["side_by_side"].items()
    ]
    if figures["left_out"]:
        lines.append(f"  left out: {figures['left_out']}")
    return "\n".join(lines)


def _busy(figures: Mapping[str, Any]) -> str:
    delay_s = next(iter(figures["busy"].values()))["delay_s"]
    lines = [f"{figures['episodes']} episodes against a provider that takes {delay_s:g} s a reply, over HTTP:"]
    lines += [
        f"  {model:<20}{busy['replies']:.0f} replies in {busy['elapsed_s']:.1f} s, which is {busy['busy']:.1%} "
        f"of what it can do; at least {BUSY_AT_LEAST:.0%}: {verdict(busy['holds'])}"
        for model, busy in figures["busy"].items()
    ]
    return "\n".join(lines)
