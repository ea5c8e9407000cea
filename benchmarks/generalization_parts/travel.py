"""Matrices of several seeds as one: the gain under each scaffold, and whether what was learned travels there."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sandmle.core.engine.lessons import taught_under
from sandmle.core.engine.matrix import MatrixRecord, cell_dir, read_record
from sandmle.core.engine.matrix_table import Gain, gains_of
from sandmle.core.engine.matrix_text import relative
from sandmle.core.engine.measures import MEASURES, tree
from sandmle.core.engine.nested import nested_estimate
from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.summary import json_ready, lean
from sandmle.core.types.episode import Episode
from sandmle.core.types.report import Estimate

BEFORE, AFTER = "sft", "grpo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """What GRPO under one scaffold came to under another."""

    scaffold: str
    trained_by: tuple[str, ...]
    """Methods by which the last policy met this scaffold."""
    measures: Mapping[str, Mapping[str, Estimate]]
    """By model and measure."""
    gains: Mapping[str, Gain]
    """Of the policy after GRPO over the one before, by measure."""
    per_seed: tuple[float, ...]
    """Difference in mean HumanRank of each seed alone, in their order."""

    @property
    def said(self) -> str:
        """One sentence that claims no more than the interval of the difference in HumanRank allows."""
        gain = self.gains["human_rank"]
        one, share = gain.difference, gain.relative
        figures = (
            f"HumanRank {one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}] "
            f"({relative(share.mean)} [{relative(share.low)}, {relative(share.high)}])"
        )
        met = AFTER in self.trained_by
        words = {
            "above zero": "the gain is there" if met else "it travels",
            "below zero": "the policy got worse" if met else "it does not travel: the policy got worse here",
        }.get(gain.verdict, "no gain to be told from chance" if met else "it does not travel, as far as can be told")
        return f"{self.scaffold}{' (trained under)' if met else ''}: {figures}: {words}"


def journeys(matrices: Sequence[Path]) -> list[Journey]:
    """One per scaffold. Families of one name are one family across seeds; tasks are never the same.

    Raises:
        ValueError: the matrices are not of the same scaffolds.
        RunError: one cannot be read.
    """
    records = [read_record(matrix) for matrix in matrices]
    if len({record.scaffolds for record in records}) != 1:
        raise ValueError("only matrices of the same scaffolds can be put together")
    families = {
        f"{number}/{task}": family for number, record in enumerate(records) for task, family in record.families.items()
    }
    return [_journey(scaffold, matrices, records, families) for scaffold in records[0].scaffolds]


def table(found: Sequence[Journey]) -> str:
    """Markdown: HumanRank and valid rate of every model under every scaffold, and the gains."""
    names = list(found[0].measures)
    heads = [f"{name} {measure}" for name in names for measure in ("HumanRank", "valid")]
    lines = [
        f"| scaffold | {' | '.join(heads)} | {AFTER} over {BEFORE} | relative | by seed |",
        f"|---{'|---' * (len(heads) + 3)}|",
    ]
    for one in found:
        cells = [_shown(one.measures[name][key]) for name in names for key in ("human_rank", "valid")]
        gain = one.gains["human_rank"]
        share = f"{relative(gain.relative.mean)} [{relative(gain.relative.low)}, {relative(gain.relative.high)}]"
        seeds = ", ".join(f"{value:+.3f}" for value in one.per_seed)
        mark = " (trained under)" if AFTER in one.trained_by else ""
        lines.append(
            f"| {one.scaffold}{mark} | {' | '.join(cells)} | {_shown(gain.difference, '+')} | {share} | {seeds} |"
        )
    return "\n".join(lines)


def as_json(one: Journey) -> dict[str, Any]:
    """Ready for `json.dumps`."""
    gains = {
        measure: {"difference": asdict(gain.difference), "relative": asdict(gain.relative), "verdict": gain.verdict}
        for measure, gain in one.gains.items()
    }
    measures = {name: {measure: asdict(value) for measure, value in row.items()} for name, row in one.measures.items()}
    found: dict[str, Any] = json_ready(
        {
            "scaffold": one.scaffold,
            "trained_by": one.trained_by,
            "in_grpo": AFTER in one.trained_by,
            "models": measures,
            "gain": gains,
            "human_rank_difference_by_seed": one.per_seed,
            "said": one.said,
        }
    )
    return found


def _journey(
    scaffold: str, matrices: Sequence[Path], records: Sequence[MatrixRecord], families: Mapping[str, str]
) -> Journey:
    seeds = [
        {model.name: _episodes(cell_dir(matrix, model.name, scaffold), number) for model in record.models}
        for number, (matrix, record) in enumerate(zip(matrices, records, strict=True))
    ]
    pooled = {name: [one for seed in seeds for one in seed[name]] for name in seeds[0]}
    lessons = next(model.lessons for model in records[0].models if model.name == AFTER)
    return Journey(
        scaffold=scaffold,
        trained_by=taught_under(lessons, scaffold),
        measures={
            name: {measure: nested_estimate(tree(rows, measure, families)) for measure in MEASURES}
            for name, rows in pooled.items()
        },
        gains=gains_of(pooled[AFTER], pooled[BEFORE], families),
        per_seed=tuple(gains_of(seed[AFTER], seed[BEFORE], families)["human_rank"].difference.mean for seed in seeds),
    )


def _episodes(run: Path, number: int) -> list[Episode]:
    return [replace(lean(one), task_id=f"{number}/{one.task_id}") for one in read_episodes(run)]


def _shown(value: Estimate, sign: str = "") -> str:
    return f"{value.mean:{sign}.3f} [{value.low:{sign}.3f}, {value.high:{sign}.3f}]" if value.tasks else "-"
