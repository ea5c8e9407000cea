"""Which charts the section about training has, drawn from the trainers' numbers. How they look is `lines.py`."""

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from sandmle.plugins.reports import svg
from sandmle.plugins.reports.arms import Arm
from sandmle.plugins.reports.learned import LearnedView
from sandmle.plugins.reports.lines import Line, lines
from sandmle.plugins.reports.training import TrainingView

SHARES: Final = (("reward", "reward", "s0"), ("any_medal", "any medal", "s1"), ("valid", "valid submission", "s2"))
"""Measure, its name, its CSS class: all between 0 and 1."""
BARS: Final = (("any_medal", "Any medal"), ("valid", "Valid submission"), ("human_rank", "HumanRank"))
COLUMNS: Final = ("loss", "reward", "any_medal", "valid", "entropy", "kept_groups", "groups", "episodes")
"""Of the table of a training's steps, where it has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One chart over the steps of a training."""

    heading: str
    how: str
    chart: Markup
    key: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedCharts:
    """Every chart of the section."""

    curves: tuple[Curve, ...]
    bars: tuple[tuple[str, Markup], ...]


def learned_charts(view: LearnedView) -> LearnedCharts:
    """Draw the curves of every training and the bars of every arm."""
    return LearnedCharts(
        curves=tuple(curve for one in view.trainings for curve in _curves(one)),
        bars=tuple((heading, _bars(view.arms, measure, heading)) for measure, heading in BARS) if view.arms else (),
    )


def columns(training: TrainingView) -> tuple[str, ...]:
    """Which numbers a training's steps have."""
    return tuple(name for name in COLUMNS if training.series(name))


def _curves(one: TrainingView) -> list[Curve]:
    found = []
    if one.series("reward"):
        found.append(_reward_curve(one))
    if one.series("entropy"):
        found.append(_single(one, "entropy", "Entropy", "Of the policy's choice of the next token, in nats, mean."))
    if one.demonstrations and one.series("loss"):
        how = "Mean negative log-likelihood of a demonstrated token, in nats, while the weights change."
        found.append(_single(one, "loss", "Loss", how))
    return found


def _reward_curve(one: TrainingView) -> Curve:
    heading = f"{one.title}: reward, medals and valid submissions by {one.unit}"
    series = [Line(label=name, points=one.series(measure), css=css) for measure, name, css in SHARES]
    if one.validations:
        rings = [
            Line(label=f"{name}, validation tasks", points=one.validated(measure), css=css, rings=True)
            for measure, name, css in SHARES
        ]
        series += [ring for ring in rings if ring.points]
    how = f"Means over the episodes of each {one.unit}, on training tasks that differ from {one.unit} to {one.unit}"
    how += "; rings: on the validation tasks." if one.validations else "."
    key = tuple((name, css) for _, name, css in SHARES)
    return Curve(heading=heading, how=how, chart=lines(heading, series, unit=one.unit, high=1.0), key=key)


def _single(one: TrainingView, measure: str, name: str, how: str) -> Curve:
    heading = f"{one.title}: {name.lower()} by {one.unit}"
    series = [Line(label=name.lower(), points=one.series(measure), css="s3")]
    return Curve(heading=heading, how=how, chart=lines(heading, series, unit=one.unit), key=())


def _bars(arms: tuple[Arm, ...], measure: str, heading: str) -> Markup:
    rows = []
    for arm in arms:
        one = arm.estimates[measure]
        rows.append(svg.Bar(label=arm.agent.short, value=one.mean, low=one.low, high=one.high, css=arm.agent.css))
    return svg.bars(f"{heading} on the held-out tasks, mean and 95 % interval", rows)
