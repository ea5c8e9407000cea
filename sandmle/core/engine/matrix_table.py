"""What the cells of a matrix came to: measures with intervals, and gains over the first model under each scaffold.

Everything is read from the records and computed with fixed seeds, so a matrix that was killed and resumed gives the
same table as one that was not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.lessons import taught_under
from sandmle.core.engine.matrix import MatrixModel, MatrixRecord, cell_dir, read_record
from sandmle.core.engine.measures import MEASURES, tree
from sandmle.core.engine.nested import common, nested_difference, nested_estimate, nested_relative, verdict
from sandmle.core.engine.store import CONFIG, read_episodes
from sandmle.core.engine.summary import json_ready, lean
from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.report import Estimate

COMPARED: Final = ("any_medal", "gold", "valid", "human_rank", "reward")
"""Measures whose gains are computed; all are never negative under the built-in rewards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A model over the first one, by one measure, on the tasks that both played."""

    difference: Estimate
    relative: Estimate
    """As a share of the first model's mean; infinite where that is 0 and this is more."""

    @property
    def verdict(self) -> str:
        """What the interval of the difference allows to say: above zero, below zero, or not told from zero."""
        return verdict(self.difference)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixCell:
    """One model under one scaffold."""

    name: str
    """Of the model, in the matrix."""
    scaffold: str
    run_dir: str
    episodes: int
    expected: int
    infrastructure_rate: float
    """Share of the recorded slots left out through no act of the agent; NaN while there are none."""
    trained_under: tuple[str, ...]
    """Methods by which the model was trained under this scaffold; empty when it never met it in training."""
    measures: Mapping[str, Estimate]
    gains: Mapping[str, Gain]
    """By measure; empty for the first model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The whole table."""

    root: str
    models: tuple[MatrixModel, ...]
    scaffolds: tuple[str, ...]
    tasks: int
    families: int
    group_size: int
    cells: tuple[MatrixCell, ...]
    """Scaffold by scaffold, models in their order."""

    @property
    def base(self) -> str:
        """Name of the model that the others are compared with."""
        return self.models[0].name

    @property
    def complete(self) -> bool:
        return all(cell.episodes >= cell.expected for cell in self.cells)

    def cell(self, name: str, scaffold: str) -> MatrixCell:
        return next(one for one in self.cells if (one.name, one.scaffold) == (name, scaffold))

    def as_json(self) -> dict[str, Any]:
        """As JSON has it; what is not a number is null."""
        found: dict[str, Any] = json_ready(
            {
                "out": self.root,
                "complete": self.complete,
                "base": self.base,
                "models": [one.model_dump(mode="json") for one in self.models],
                "scaffolds": self.scaffolds,
                "tasks": self.tasks,
                "families": self.families,
                "group_size": self.group_size,
                "cells": [_as_json(cell) for cell in self.cells],
            }
        )
        return found


def read_matrix(out: Path) -> Matrix:
    """The table of a matrix, complete or under way.

    Raises:
        RunError: the directory holds no matrix, or a record of a run is damaged.
    """
    record = read_record(out)
    cells = []
    for scaffold in record.scaffolds:
        base: list[Episode] = []
        for number, model in enumerate(record.models):
            episodes = _episodes(cell_dir(out, model.name, scaffold), record)
            if number == 0:
                base = episodes
            cells.append(_cell(out, record, model, scaffold, episodes, base if number else None))
    return Matrix(
        root=str(out),
        models=record.models,
        scaffolds=record.scaffolds,
        tasks=len(record.families),
        families=len(set(record.families.values())),
        group_size=record.group_size,
        cells=tuple(cells),
    )


def gains_of(ours: Sequence[Episode], theirs: Sequence[Episode], families: Mapping[str, str]) -> dict[str, Gain]:
    """Ours over theirs, by each of `COMPARED`: paired by family and task, on the tasks where both have a value."""
    found = {}
    for measure in COMPARED:
        pair = common(*(tree(episodes, measure, families) for episodes in (ours, theirs)))
        found[measure] = Gain(difference=nested_difference(*pair), relative=nested_relative(*pair))
    return found


def _episodes(folder: Path, record: MatrixRecord) -> list[Episode]:
    """Of the tasks that the matrix is of now, without transcripts; none while the cell was not begun."""
    if not (folder / CONFIG).is_file():
        return []
    return [lean(one) for one in read_episodes(folder) if one.task_id in record.families]


def _cell(
    out: Path,
    record: MatrixRecord,
    model: MatrixModel,
    scaffold: str,
    episodes: Sequence[Episode],
    base: Sequence[Episode] | None,
) -> MatrixCell:
    lost = sum(one.outcome is Outcome.INFRASTRUCTURE for one in episodes)
    return MatrixCell(
        name=model.name,
        scaffold=scaffold,
        run_dir=str(cell_dir(out, model.name, scaffold)),
        episodes=len(episodes),
        expected=len(record.families) * record.group_size,
        infrastructure_rate=lost / len(episodes) if episodes else float("nan"),
        trained_under=taught_under(model.lessons, scaffold),
        measures={measure: nested_estimate(tree(episodes, measure, record.families)) for measure in MEASURES},
        gains={} if base is None else gains_of(episodes, base, record.families),
    )


def _as_json(cell: MatrixCell) -> dict[str, Any]:
    plain = {
        name: getattr(cell, name)
        for name in ("scaffold", "run_dir", "episodes", "expected", "infrastructure_rate", "trained_under")
    }
    gains = {
        measure: {"difference": asdict(gain.difference), "relative": asdict(gain.relative), "verdict": gain.verdict}
        for measure, gain in cell.gains.items()
    }
    measures = {measure: asdict(estimate) for measure, estimate in cell.measures.items()}
    return {"model": cell.name, **plain, **measures, "gain_over_base": gains or None}
