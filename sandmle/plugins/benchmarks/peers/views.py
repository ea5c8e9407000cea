"""A competition of a peer as a task directory of ours: what the agent may see, and how to find the rest.

    WORK/tasks/<task id>/
      task.toml          as for any task; `origin = "competition"`
      description.md     what the agent reads
      competition.json   the competition's id, and the report of an episode that submitted nothing
      public             link to the peer's own public files, which are not copied

Answers and boards stay where the peer keeps them.
"""

import csv
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.tasks import spec_toml
from sandmle.core.errors import TaskError, cannot_write
from sandmle.core.types.score import Direction, Prediction
from sandmle.core.types.task import (
    MetricRecord,
    Modality,
    Provenance,
    RowCounts,
    SubmissionFormat,
    TaskSpec,
    ThresholdRecord,
)

RECORD: Final = "competition.json"
TASKS: Final = "tasks"
HASHED_BYTES: Final = 2**30
"""A larger file is told apart by its size alone."""
_HEADER_BYTES: Final = 2**20
_NAN: Final = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Competition:
    """One competition, described by the peer's own code."""

    competition_id: str
    title: str
    benchmark: str
    """The peer's name, such as `mle-bench`."""
    version: str
    """Its commit; empty when unknown."""
    description: str
    public: Path
    sample_submission: Path
    metric: str
    direction: Direction
    modality: Modality
    thresholds: Mapping[str, float] | None
    """Gold, silver, bronze, median; None where the benchmark awards no medals."""
    hashed: Mapping[str, Path]
    """What a run must find unchanged when it is resumed: name to file."""
    unanswered: Mapping[str, Any]
    """The peer's report of an episode without a submission."""
    exported: bool
    """It was a task of ours before it was a competition."""
    leaderboard: Path | None = None
    """Where its medal board lies."""


def task_id_of(competition_id: str) -> str:
    """A competition's id as a task id: lower case, digits and hyphens.

    >>> task_id_of("AI4Code"), task_id_of("llm_detect..text")
    ('ai4code', 'llm-detect-text')
    """
    return re.sub(r"[^a-z0-9]+", "-", competition_id.lower()).strip("-")


def view_folder(work: Path, competition_id: str) -> Path:
    """Where the view of a competition lies."""
    return work / TASKS / task_id_of(competition_id)


def write_views(competitions: Sequence[Competition], work: Path) -> list[Path]:
    """Task directories for these competitions, in their order; what is there and unchanged stays.

    Raises:
        TaskError: two of them come to one task id, or the sample submission cannot be read.
        UsageError: they cannot be written there.
        StoreError: the machine failed.
    """
    taken: dict[str, str] = {}
    for one in competitions:
        other = taken.setdefault(task_id_of(one.competition_id), one.competition_id)
        if other != one.competition_id:
            raise TaskError(f"{one.competition_id!r} and {other!r} are one task id: take one of them out of the split")
    return [_write_view(one, view_folder(work, one.competition_id)) for one in competitions]


def read_record(task_dir: Path) -> dict[str, Any]:
    """What `competition.json` of a view says.

    Raises:
        TaskError: this is no view.
    """
    try:
        found: dict[str, Any] = json.loads((task_dir / RECORD).read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise TaskError(f"{task_dir} is no competition's task directory: {problem}") from problem
    return found


def _write_view(one: Competition, target: Path) -> Path:
    record = {
        "competition_id": one.competition_id,
        "unanswered": one.unanswered,
        "sample_submission": str(one.sample_submission),
        "leaderboard": str(one.leaderboard) if one.leaderboard else None,
    }
    texts = {
        "task.toml": spec_toml(_spec(one, target.name)),
        "description.md": _introduced(one),
        RECORD: json.dumps(record, indent=2) + "\n",
    }
    public = one.public.resolve()
    try:
        if _is_same(target, texts, public):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        for name, text in texts.items():
            (fresh / name).write_text(text, "utf-8")
        os.symlink(public, fresh / "public", target_is_directory=True)
        # Only what an earlier call made: a view holds links and texts, never data.
        if target.is_dir() and (target / RECORD).is_file():
            shutil.rmtree(target)
        fresh.rename(target)
    except OSError as problem:
        raise cannot_write(target, problem) from problem
    return target


def _is_same(target: Path, texts: Mapping[str, str], public: Path) -> bool:
    if not target.is_dir() or (target / "public").resolve() != public:
        return False
    return all((target / name).is_file() and (target / name).read_text("utf-8") == text for name, text in texts.items())


def _introduced(one: Competition) -> str:
    """The description, after what holds here whatever it says. That of an export is a task's own, which says it."""
    if one.exported:
        return one.description
    sample = one.sample_submission.name
    return (
        f"This is the competition {one.competition_id} of {one.benchmark}, played offline. The files named below lie "
        "in `data/`, read-only; the split into training and test rows is this benchmark's own. Whatever is said below "
        f"of other formats, the answer is one file, `submission.csv`, in the format of `data/{sample}`.\n\n"
        f"{one.description.strip()}\n"
    )


def _spec(one: Competition, task_id: str) -> TaskSpec:
    header, rows = _sample(one.sample_submission)
    marks = one.thresholds or dict.fromkeys(("gold", "silver", "bronze", "median"), _NAN)
    return TaskSpec(
        task_id=task_id,
        title=one.title,
        domain=one.benchmark,
        modality=one.modality,
        # What a competition asks for has no word in our catalogue; nothing of ours grades it.
        task_type="regression",
        rule_family=task_id,
        noise_families=(),
        metric=MetricRecord(name=one.metric, direction=one.direction),
        submission=SubmissionFormat(id_column=header[0], target_columns=header[1:], prediction=Prediction.VALUE),
        rows=RowCounts(train=1, public_board=1, private_board=max(1, rows)),
        dna={},
        thresholds=ThresholdRecord(**dict(marks)),
        solutions=(),
        checks_passed=(),
        provenance=Provenance(
            generator_model=one.benchmark,
            rng_seed=0,
            index=0,
            seed_id=one.competition_id,
            origin="competition",
            prompt_sha256={},
            versions={one.benchmark: one.version or "unknown"},
            content_sha256={name: _digest(path) for name, path in sorted(one.hashed.items())},
        ),
    )


def _sample(path: Path) -> tuple[tuple[str, ...], int]:
    """Header and number of rows of the sample submission."""
    try:
        with path.open("rb") as file:
            head = file.readline(_HEADER_BYTES).decode("utf-8", "replace")
            rows = sum(1 for _ in file)
    except OSError as problem:
        raise TaskError(f"cannot read the sample submission {path}: {problem.strerror}") from problem
    header = next(csv.reader([head.lstrip("\ufeff").rstrip("\r\n")]), [])
    return tuple(header) or ("id",), rows


def _digest(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > HASHED_BYTES:
            return f"{size} bytes"
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise TaskError(f"cannot read {path}: {problem.strerror}") from problem
