"""What a dry run says of either trainer: the estimate with all its inputs, and files. Pure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandmle.core.errors import ConfigError
from sandmle.plugins.trainers.estimate import Estimate, Plan, estimate, parse_assumptions, rounded
from sandmle.plugins.trainers.models import ModelFacts


def estimated(plan: Plan, facts: ModelFacts | None, base: Mapping[str, Any], pairs: list[str]) -> Any:
    """The estimate of a run as JSON, or `unknown` with the reason where the policy's size is not known.

    Raises:
        ConfigError: `pairs` cannot be read.
    """
    assumed = parse_assumptions(base, pairs)
    try:
        found = estimate(plan, facts, assumed)
    except ConfigError as problem:
        return {"unknown": str(problem)}
    return {**found.as_json(), "notes": _notes(found, plan)}


def _notes(found: Estimate, plan: Plan) -> list[str]:
    if found.rollout_s <= plan.episode_timeout_s:
        return []
    return [
        f"episodes would take about {rounded(found.rollout_s):g} s and are stopped after run.episode_timeout_s = "
        f"{plan.episode_timeout_s:g} s: more GPUs, fewer episodes at once, or a later deadline"
    ]


def estimate_words(found: Mapping[str, Any]) -> str:
    """For a person."""
    if "unknown" in found:
        return f"estimate: {found['unknown']}"
    inputs = found["inputs"]
    unit = f"{inputs['device'].upper()}-hours"
    shown = "\n".join(f"  {name:22} {value:g}" for name, value in inputs.items() if isinstance(value, int | float))
    hours = found[f"{inputs['device']}_hours"]
    notes = "".join(f"\nnote: {note}" for note in found["notes"])
    return (
        "estimate, by the formula in docs/training-openrlhf.md, from inputs that --assume KEY=NUMBER changes:\n"
        f"{shown}\n"
        f"  = {found['step_s']:g} s a step: {found['rollout_s']:g} rollout, {found['training_s']:g} training, "
        f"{inputs['overhead_s']:g} overhead\n"
        f"about {hours:g} {unit} in {found['wall_hours']:g} hours; {found['sandbox_hours']:g} sandbox-hours, of which "
        f"code runs in {found['sandbox_busy_hours']:g}{notes}"
    )


def file_record(path: Path, text: str) -> dict[str, Any]:
    """One file of a dry run for JSON: short ones whole, long ones by their first line."""
    lines = text.splitlines()
    short = len(lines) <= 200
    return {"path": str(path), "lines": len(lines), **({"text": text} if short else {"first_line": lines[0]})}
