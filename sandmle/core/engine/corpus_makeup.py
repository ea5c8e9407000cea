"""What a corpus is made of: kinds, domains, rules and noise, in counts and in shares beside those of a mix.

And how steady its boards are. Pure arithmetic on what `task.toml` says.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

from sandmle.core.engine.mixes import MIXES
from sandmle.core.engine.seed_order import wishes_of
from sandmle.core.types.task import TaskSpec

TASK_TYPE_GROUPS: Final[Mapping[str, str]] = {
    "classification": "classification",
    "multilabel": "classification",
    "regression": "regression",
    "ranking": "ranking",
    "forecasting": "forecasting and reconstruction",
    "reconstruction": "forecasting and reconstruction",
}
"""Task type to the group the paper counts it in."""
MARGINS: Final = ("modality", "task type", "sector", "difficulty")


@dataclass(frozen=True, slots=True, kw_only=True)
class Makeup:
    """Counts by name, most first; `mixes` holds for each mix and margin the share wanted of every entry."""

    tasks: int
    counts: Mapping[str, Mapping[str, int]]
    mixes: Mapping[str, Mapping[str, Mapping[str, float]]]
    calibration: Mapping[str, float]

    def furthest(self, mix: str) -> Mapping[str, float]:
        """The largest distance from a mix, in points of a hundred, by margin."""
        return {
            margin: max(abs(self.share(margin, name) - 100 * share) for name, share in wanted.items())
            for margin, wanted in self.mixes[mix].items()
        }

    def share(self, margin: str, name: str) -> float:
        """Points of a hundred that an entry has."""
        counted = self.counts[margin]
        return 100 * counted.get(name, 0) / max(1, sum(counted.values()))

    def as_json(self) -> dict[str, Any]:
        """Everything, with the shares and the distance from every mix."""
        margins = {
            mix: {
                margin: {
                    name: {"share": round(self.share(margin, name), 2), "wanted": round(100 * share, 2)}
                    for name, share in wanted.items()
                }
                for margin, wanted in shares.items()
            }
            for mix, shares in self.mixes.items()
        }
        distances = {mix: {one: round(value, 2) for one, value in self.furthest(mix).items()} for mix in self.mixes}
        return {
            "tasks": self.tasks,
            "counts": {name: dict(counted) for name, counted in self.counts.items()},
            "mixes": {mix: {"margins": margins[mix], "furthest_points": distances[mix]} for mix in self.mixes},
            "calibration": dict(self.calibration),
        }


def makeup_of(specs: Sequence[TaskSpec]) -> Makeup:
    """Count a corpus."""
    rules = [part for spec in specs for part in spec.rule_family.split("-and-")]
    counted: dict[str, Iterable[str]] = {
        "modality": [spec.modality for spec in specs],
        "task type": [TASK_TYPE_GROUPS[spec.task_type] for spec in specs],
        "sector": [wishes_of(spec.dna)[0] or "none wished" for spec in specs],
        "difficulty": [wishes_of(spec.dna)[1] or "none wished" for spec in specs],
        "kind": [f"{spec.modality} {spec.task_type}" for spec in specs],
        "classes": [_classes(spec) for spec in specs],
        "metric": [spec.metric.name for spec in specs],
        "domain": [spec.domain for spec in specs],
        "rule family": rules,
        "rules in a task": [str(len(spec.rule_family.split("-and-"))) for spec in specs],
        "noise family": [name for spec in specs for name in spec.noise_families],
        "seed": [spec.provenance.seed_id for spec in specs],
    }
    return Makeup(
        tasks=len(specs),
        counts={name: dict(Counter(entries).most_common()) for name, entries in counted.items()},
        mixes={name: _margins(name) for name in MIXES},
        calibration=_calibration(specs),
    )


def _classes(spec: TaskSpec) -> str:
    if spec.task_type != "classification":
        return spec.task_type
    return "binary" if len(spec.submission.classes) == 2 else "multi-class"


def _margins(name: str) -> Mapping[str, Mapping[str, float]]:
    mix = MIXES[name]
    modalities: Counter[str] = Counter()
    types: Counter[str] = Counter()
    for (modality, task_type), share in mix.kinds.items():
        # Counters add floats as well as they add whole numbers.
        modalities[modality] += share  # type: ignore[assignment]
        types[TASK_TYPE_GROUPS[task_type]] += share  # type: ignore[assignment]
    return dict(zip(MARGINS, (modalities, types, mix.sectors, mix.difficulties), strict=True))


def _calibration(specs: Sequence[TaskSpec]) -> dict[str, float]:
    """Over the tasks in which it was measured: steadiness of ranks, agreement, and gaps in errors of their own."""
    known = [spec for spec in specs if spec.calibration is not None]
    records = [spec.calibration for spec in known if spec.calibration is not None]
    if not records:
        return {"measured": 0}
    gaps = [gap for spec in known for gap in _gaps_in_errors(spec)]
    return {
        "measured": len(records),
        "halves_mean": round(fmean(one.halves for one in records), 4),
        "halves_least": round(min(one.halves for one in records), 4),
        "halves_top_mean": round(fmean(one.halves_top for one in records), 4),
        "halves_top_least": round(min(one.halves_top for one in records), 4),
        "agreement_most": round(max(one.agreement for one in records), 4),
        "gap_in_errors_least": round(min(gaps), 3) if gaps else 0.0,
        "gap_in_errors_median": round(sorted(gaps)[len(gaps) // 2], 3) if gaps else 0.0,
    }


def _gaps_in_errors(spec: TaskSpec) -> list[float]:
    tiers = spec.thresholds.model_dump()
    errors = spec.calibration.standard_errors if spec.calibration else {}
    found = []
    for gap, error in errors.items():
        upper, _, lower = gap.partition("-")
        if error > 0 and upper in tiers and lower in tiers:
            found.append(abs(tiers[upper] - tiers[lower]) / error)
    return found


def makeup_lines(makeup: Makeup, mix: str = "paper") -> list[str]:
    """The same for a person, beside one mix."""
    lines = [f"{makeup.tasks} tasks; shares in points of a hundred, beside those of the mix {mix!r}"]
    for margin, wanted in makeup.mixes[mix].items():
        lines.append(f"{margin}, at most {makeup.furthest(mix)[margin]:.1f} points off")
        names = [*wanted, *(name for name in makeup.counts[margin] if name not in wanted)]
        lines += [f"  {name:<34}{makeup.share(margin, name):6.1f}{100 * wanted.get(name, 0):8.1f}" for name in names]
    for name in ("kind", "classes", "metric", "domain", "rule family", "rules in a task", "noise family"):
        counted = makeup.counts[name]
        lines.append(f"{name}: {len(counted)} different: " + ", ".join(f"{one} {n}" for one, n in counted.items()))
    told = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in makeup.calibration.items())
    return [*lines, f"boards: {told}"]
