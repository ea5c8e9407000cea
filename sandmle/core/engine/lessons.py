"""The training record of a policy: which trainings it has been through, and under which scaffolds.

`lessons.json` lies in the output directory of a trainer, beside the checkpoints. A policy that starts from another
has the other's lessons before its own.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from sandmle.core.engine.store import CONFIG, read_config
from sandmle.core.errors import RunError, StoreError

FILE: Final = "lessons.json"
CHECKPOINTS: Final = "checkpoints"
POINTERS: Final = ("best", "last", "policy")
"""Names in an output directory under which a result lies: of the local trainer, then of OpenRLHF."""


class Lesson(BaseModel):
    """One training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    """`sft`, `grpo` and so on."""
    scaffolds: tuple[str, ...]
    """Whose conversations it was trained on: demonstrations, or its own episodes. Empty when nobody recorded it."""


_LESSONS: Final = TypeAdapter(tuple[Lesson, ...])


def read_lessons(policy: Path) -> tuple[Lesson, ...]:
    """What is known of a trainer's output directory or of one of its checkpoints; empty when that is nothing.

    Raises:
        RunError: there is a record, and it cannot be read.
    """
    for folder in _homes(policy):
        file = folder / FILE
        if file.is_file():
            try:
                return _LESSONS.validate_json(file.read_bytes())
            except (OSError, ValidationError) as problem:
                raise RunError(f"{file} is no record of lessons: {problem}; remove it to go on without") from problem
        if (folder / CONFIG).is_file():
            return _configured(read_config(folder))
    return ()


def lessons_of_model(model: str) -> tuple[Lesson, ...]:
    """Those of a model string such as `local/PATH`; empty when what follows the provider is no directory here.

    Raises:
        RunError: there is a record, and it cannot be read.
    """
    path = Path(model.partition("/")[2]).expanduser()
    return read_lessons(path) if path.name and path.is_dir() else ()


def write_lessons(out: Path, lessons: Sequence[Lesson]) -> None:
    """Put the record into a trainer's output directory, whole or not at all.

    Raises:
        StoreError: it could not be written.
    """
    part = out / f".{FILE}.part"
    try:
        part.write_text(json.dumps([one.model_dump(mode="json") for one in lessons], indent=1), "utf-8")
        os.replace(part, out / FILE)
    except OSError as problem:
        raise StoreError(f"cannot write {out / FILE}: {problem.strerror}") from problem


def taught_under(lessons: Sequence[Lesson], scaffold: str) -> tuple[str, ...]:
    """The methods by which a policy was trained under a scaffold, in order."""
    return tuple(dict.fromkeys(one.method for one in lessons if scaffold in one.scaffolds))


def _homes(policy: Path) -> Iterator[Path]:
    """Where a record may lie: the path itself, or the output directory whose checkpoint it is."""
    yield policy
    if policy.name in POINTERS:
        yield policy.parent
    elif policy.parent.name == CHECKPOINTS:
        yield policy.parent.parent


def _configured(config: dict[str, Any]) -> tuple[Lesson, ...]:
    """What a trainer's configuration tells, for output directories without a record."""
    method, run = config.get("method"), config.get("run")
    if not isinstance(method, str):
        return ()
    scaffold = run.get("scaffold") if isinstance(run, dict) else None
    return (Lesson(method=method, scaffolds=(scaffold,) if isinstance(scaffold, str) else ()),)
