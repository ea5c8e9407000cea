"""What a report says about training, ready for JSON."""

from collections.abc import Mapping
from typing import Any

from sandmle.core.types.report import Estimate
from sandmle.plugins.reports.arms import MEASURES
from sandmle.plugins.reports.learned import LearnedView
from sandmle.plugins.reports.numbers import json_number


def describe_learned(view: LearnedView) -> dict[str, Any]:
    """Trainings, policies and controls with their figures, and differences to the last policy."""
    return {
        "trainings": [
            {
                "title": one.title,
                "method": one.method,
                "directory": str(one.folder),
                "tasks": len(one.tasks),
                one.unit + "s": len(one.steps),
                "complete": one.complete,
                "episodes": one.episodes,
                "seconds": round(one.seconds, 1),
            }
            for one in view.trainings
        ],
        "held_out": [
            {
                "who": arm.agent.label,
                "model": arm.agent.summary.model,
                "learned": arm.training is not None,
                "families": arm.families,
                "tasks": arm.tasks,
                "episodes": arm.episodes,
                **_estimates(arm.estimates),
            }
            for arm in view.arms
        ],
        "differences": [
            {"of": view.last.agent.label, "minus": gap.over.agent.label, **_estimates(gap.estimates)}
            for gap in view.gaps
            if view.last is not None
        ],
        "notes": list(view.notes),
    }


def _estimates(estimates: Mapping[str, Estimate]) -> dict[str, dict[str, float | None]]:
    return {
        measure: {name: json_number(getattr(estimates[measure], name)) for name in ("mean", "low", "high")}
        for measure in MEASURES
    }
