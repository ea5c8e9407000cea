"""Parts a corpus into training, validation, fresh and held-out tasks, so that no rule and no seed crosses.

`held_out` has rule families and seeds that no other part has; `fresh` and `validation` have the families and seeds
of `train` in tasks of their own. Written are manifests, since a task directory must not be copied or linked to be
in two places. Pure but for `write_split`.
"""

import json
import os
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.synthesis import derive_rng_seed
from sandmle.core.engine.tasks import Task
from sandmle.core.errors import UsageError, cannot_write

PARTS: Final = ("train", "validation", "fresh", "held-out")
LEFT_OUT: Final = "left-out"
"""Tasks of a held-out family from a known seed, or the other way round: in no part, since either would cross."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """What training never sees."""

    families: tuple[str, ...]
    seed_ids: tuple[str, ...]


def draw_families(families: Sequence[str], count: int, rng_seed: int) -> tuple[str, ...]:
    """`count` families, one from each of as many stretches of the list: an order by modality spreads them.

    Raises:
        UsageError: that would leave none to train on.
    """
    if not 0 < count < len(families):
        raise UsageError(f"{count} of {len(families)} rule families cannot be held out: some have to be left")
    rng = random.Random(derive_rng_seed(rng_seed, "held-out families"))
    bounds = [round(at * len(families) / count) for at in range(count + 1)]
    return tuple(rng.choice(list(families[low:high])) for low, high in pairwise(bounds))


def draw_seeds(kinds: Mapping[str, str], share: float, rng_seed: int) -> tuple[str, ...]:
    """A share of the seeds of every kind, at least one of each that has two: the others have to teach it.

    Args:
        kinds: seed id to its kind, such as `text classification`.
        share: of the seeds of each kind.
        rng_seed: decides which.
    """
    rng = random.Random(derive_rng_seed(rng_seed, "held-out seeds"))
    chosen: list[str] = []
    for kind in sorted(set(kinds.values())):
        alike = sorted(seed_id for seed_id, one in kinds.items() if one == kind)
        if share > 0 and len(alike) > 1:
            chosen += rng.sample(alike, min(len(alike) - 1, max(1, round(share * len(alike)))))
    return tuple(sorted(chosen))


def part_tasks(
    tasks: Iterable[Task], holdout: Holdout, *, validation: float, fresh: float, rng_seed: int
) -> dict[str, list[Task]]:
    """Which task is in which part; every task is in exactly one, `left-out` included.

    Families keep their shares in validation and fresh as well as their few tasks allow: of each family, the tasks
    are shuffled and dealt out by running shares.

    Args:
        tasks: of one or several corpora.
        holdout: families and seeds of `held-out`.
        validation: share of the other tasks.
        fresh: share of the other tasks.
        rng_seed: decides who is where.

    Raises:
        UsageError: the shares leave nothing to train on.
    """
    if validation < 0 or fresh < 0 or validation + fresh >= 1:
        raise UsageError(f"shares of {validation:g} for validation and {fresh:g} for fresh leave nothing to train on")
    parts: dict[str, list[Task]] = {name: [] for name in (*PARTS, LEFT_OUT)}
    known: list[Task] = []
    for task in sorted(tasks, key=lambda one: one.spec.task_id):
        family = task.spec.rule_family in holdout.families
        seed = task.spec.provenance.seed_id in holdout.seed_ids
        if family and (seed or not holdout.seed_ids):
            parts["held-out"].append(task)
        elif family or seed:
            parts[LEFT_OUT].append(task)
        else:
            known.append(task)
    rng = random.Random(derive_rng_seed(rng_seed, "parts"))
    rng.shuffle(known)
    known.sort(key=lambda one: one.spec.rule_family)
    shares = {"train": 1 - validation - fresh, "validation": validation, "fresh": fresh}
    for number, task in enumerate(known, 1):
        # Whoever is furthest behind its share gets the task.
        behind = max(shares, key=lambda name: shares[name] * number - len(parts[name]))
        parts[behind].append(task)
    return parts


def crossings(parts: Mapping[str, Sequence[Task]], holdout: Holdout) -> list[str]:
    """What the held-out part shares with the others, or two parts share: empty when the split holds."""
    found: list[str] = []
    held = parts["held-out"]
    others = [task for name in PARTS[:3] for task in parts[name]]
    shared = {task.spec.rule_family for task in held} & {task.spec.rule_family for task in others}
    found += [f"rule family {name} is held out and known" for name in sorted(shared)]
    if holdout.seed_ids:
        seeds = {task.spec.provenance.seed_id for task in held} & {task.spec.provenance.seed_id for task in others}
        found += [f"seed {name} is held out and known" for name in sorted(seeds)]
    counts = Counter(task.spec.task_id for name in PARTS for task in parts[name])
    return found + [f"task {name} is in several parts" for name, count in sorted(counts.items()) if count > 1]


def split_table(parts: Mapping[str, Sequence[Task]], holdout: Holdout) -> dict[str, Any]:
    """What is where: tasks, families, seeds and metrics of every part, with counts."""
    rows = {
        name: {
            "tasks": len(tasks),
            "families": _counted(task.spec.rule_family for task in tasks),
            "seeds": _counted(task.spec.provenance.seed_id for task in tasks),
            "modalities": _counted(task.spec.modality for task in tasks),
            "metrics": _counted(task.spec.metric.name for task in tasks),
        }
        for name, tasks in parts.items()
    }
    return {"held_out_families": list(holdout.families), "held_out_seeds": list(holdout.seed_ids), "parts": rows}


def table_lines(table: Mapping[str, Any]) -> list[str]:
    """The same for a person."""
    lines = [
        f"held-out families: {', '.join(table['held_out_families'])}",
        f"held-out seeds: {', '.join(table['held_out_seeds']) or 'none'}",
        f"{'part':<12}{'tasks':>6}{'families':>10}{'seeds':>7}{'metrics':>9}  modalities",
    ]
    for name, row in table["parts"].items():
        kinds = ", ".join(f"{kind} {count}" for kind, count in row["modalities"].items())
        counts = f"{row['tasks']:>6}{len(row['families']):>10}{len(row['seeds']):>7}{len(row['metrics']):>9}"
        lines.append(f"{name:<12}{counts}  {kinds}")
    return lines


def write_split(out: Path, parts: Mapping[str, Sequence[Task]], holdout: Holdout) -> dict[str, Any]:
    """Write a manifest for every part that has tasks, and `split.json`, the table.

    Raises:
        UsageError: the split does not hold, two tasks have one id, or `out` cannot be written.
    """
    wrong = crossings(parts, holdout)
    if wrong:
        raise UsageError(f"this split does not hold: {'; '.join(wrong)}")
    table = split_table(parts, holdout)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in (*PARTS, LEFT_OUT):
            lines = [f"{_relative(task.layout.root, out)}\n" for task in parts[name]]
            manifest = out / f"{name}.txt"
            if lines:
                manifest.write_text("".join(sorted(lines)), "utf-8")
            else:
                manifest.unlink(missing_ok=True)
        (out / "split.json").write_text(json.dumps(table, indent=2) + "\n", "utf-8")
    except OSError as problem:
        raise cannot_write(out, problem) from problem
    return table


def _relative(task: Path, out: Path) -> str:
    # Relative, so that the folder that holds both can be moved.
    return Path(os.path.relpath(task.resolve(), out.resolve())).as_posix()


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
