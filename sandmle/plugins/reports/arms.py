"""Policies and controls on held-out tasks: whose episodes are whose, and what they came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sandmle.core.engine.measures import tree
from sandmle.core.engine.nested import nested_estimate
from sandmle.core.types.episode import Outcome
from sandmle.core.types.report import Estimate
from sandmle.plugins.reports.results import PALETTE, AgentView, agents
from sandmle.plugins.reports.runs import RunView
from sandmle.plugins.reports.training import TrainingView

MEASURES: Final = ("any_medal", "valid", "human_rank", "reward")
LOCAL: Final = "local/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One policy or control on the held-out tasks."""

    agent: AgentView
    training: TrainingView | None
    """Where the policy comes from; None for a control."""
    estimates: Mapping[str, Estimate]
    families: int | None
    """None when the corpus given does not hold all the tasks."""
    tasks: int
    episodes: int
    """Those that count: without what the infrastructure failed."""

    @property
    def task_ids(self) -> frozenset[str]:
        return frozenset(one.task_id for one in self.agent.episodes if one.outcome is not Outcome.INFRASTRUCTURE)


def read_arms(
    trainings: Sequence[TrainingView], runs: Sequence[RunView], families: Mapping[str, str]
) -> tuple[Arm, ...]:
    """Policies in the order of their trainings, then controls, each in the order of their runs."""
    found = [
        (agent, _origin(agent.summary.model, trainings), run.name)
        for run in runs
        for agent in agents({run.name: run.episodes})
    ]
    found.sort(key=lambda one: len(trainings) if one[1] is None else trainings.index(one[1]))
    labels = [_label(agent, training) for agent, training, _ in found]
    return tuple(
        _arm(number, agent, label if labels.count(label) == 1 else f"{label} ({run})", training, families)
        for number, ((agent, training, run), label) in enumerate(zip(found, labels, strict=True))
    )


def _origin(model: str, trainings: Sequence[TrainingView]) -> TrainingView | None:
    """The training that made a policy, told by the path in the model string: the directory or one of its checkpoints.

    A relative path was relative to where the run was started, so it is enough that the directory ends like it.
    """
    if not model.startswith(LOCAL):
        return None
    path = Path(model.removeprefix(LOCAL))
    if path.name in ("last", "best"):
        path = path.parent
    elif path.parent.name == "checkpoints":
        path = path.parent.parent
    for one in trainings:
        if one.folder == path.resolve():
            return one
    parts = path.parts
    alike = [one for one in trainings if not path.is_absolute() and parts and one.folder.parts[-len(parts) :] == parts]
    return alike[0] if len(alike) == 1 else None


def _label(agent: AgentView, training: TrainingView | None) -> str:
    return agent.summary.model if training is None else f"{training.title} policy"


def _arm(number: int, agent: AgentView, label: str, training: TrainingView | None, families: Mapping[str, str]) -> Arm:
    episodes = [one for one in agent.episodes if one.outcome is not Outcome.INFRASTRUCTURE]
    tasks = sorted({one.task_id for one in episodes})
    known = all(task_id in families for task_id in tasks)
    short = label.rpartition("/")[2] if training is None else label
    return Arm(
        agent=replace(agent, key=f"h{number}", css=f"s{number % PALETTE}", label=label, short=short),
        training=training,
        estimates={measure: nested_estimate(tree(episodes, measure, families)) for measure in MEASURES},
        families=len({families[task_id] for task_id in tasks}) if known else None,
        tasks=len(tasks),
        episodes=len(episodes),
    )
