"""Models by scaffolds on the same tasks: one run directory per cell, and which cells there are on record.

    OUT/matrix.toml              models with their lessons, scaffolds, and the rule family of every task
    OUT/runs/MODEL/SCAFFOLD/     the run of a cell, as `sandmle run` writes it

Every cell plays the same tasks with the same rng seed and settings, so that differences can be paired. What the cells
came to is `matrix_table.py`.
"""

import asyncio
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tomli_w
from pydantic import BaseModel, ConfigDict

from sandmle.core.engine.crews import check_names, open_chat_model
from sandmle.core.engine.lessons import Lesson, lessons_of_model
from sandmle.core.engine.runs import caps_of, check_prices, load_tasks, record_of, run_tasks, with_possible_feedback
from sandmle.core.engine.store import CONFIG, LOCK, agree, locked
from sandmle.core.engine.tasks import Task
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, InfrastructureError, PluginError, RunError, StoreError
from sandmle.core.hooks.registry import Kind

RECORD: Final = "matrix.toml"
_HALF_WRITTEN: Final = ".matrix.toml.part"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Tell = Callable[[str], None]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MatrixModel(_Record):
    """One row: a model under a short name."""

    name: str
    model: str
    """The model string."""
    lessons: tuple[Lesson, ...]
    """Its training record; empty when there is none, as for any model that was not trained here."""


class MatrixRecord(_Record):
    """`matrix.toml`."""

    models: tuple[MatrixModel, ...]
    """The first is what the others are compared with."""
    scaffolds: tuple[str, ...]
    group_size: int
    families: dict[str, str]
    """Task to its rule family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How playing the cells ended."""

    interrupted: bool
    """It was asked to drain."""
    failures: Mapping[tuple[str, str], InfrastructureError | PluginError]
    """(model name, scaffold) of each cell that could not be played to its end; the others were."""


def parse_models(words: Sequence[str]) -> dict[str, str]:
    """Short name to model string, from words such as `base=offline/agent-weak,strong=offline/agent-strong`.

    Raises:
        ConfigError: a word is not of that form, or a name is there twice.
    """
    found: dict[str, str] = {}
    for word in _listed(words):
        name, equals, model = (part.strip() for part in word.partition("="))
        if not equals or not model:
            raise ConfigError(f"--models {word!r}: write each as NAME=MODEL, such as base=offline/agent-weak")
        if not _NAME.fullmatch(name):
            raise ConfigError(f"--models {word!r}: a name has letters, digits, '.', '_' and '-'; it names a directory")
        if name in found:
            raise ConfigError(f"--models has the name {name!r} twice: {found[name]} and {model}")
        found[name] = model
    if not found:
        raise ConfigError("--models names no model; write NAME=MODEL, such as base=offline/agent-weak")
    return found


def parse_scaffolds(words: Sequence[str]) -> tuple[str, ...]:
    """Scaffold names, from words such as `react,codeact`.

    Raises:
        ConfigError: there is none, or one is there twice.
    """
    found = _listed(words)
    twice = [name for number, name in enumerate(found) if name in found[:number]]
    if twice or not found:
        raise ConfigError(f"--scaffolds names {twice[0]!r} twice" if twice else "--scaffolds names no scaffold")
    return tuple(found)


def cell_dir(out: Path, model_name: str, scaffold: str) -> Path:
    """The run directory of a cell."""
    return out / "runs" / model_name / scaffold


async def play_matrix(
    toolkit: Toolkit, models: Mapping[str, str], scaffolds: Sequence[str], out: Path, drain: asyncio.Event, tell: Tell
) -> Played:
    """Play every cell that is not complete; the same call on the same directory resumes.

    A cell whose machinery or plugin failed is left as it is, and the others are played.

    Args:
        toolkit: plugins and settings; `[run]` holds for every cell, but for its model and its scaffold.
        models: short name to model string, in the order of the table.
        scaffolds: in the order of the table.
        out: the directory of the matrix.
        drain: once set, what is under way is finished and nothing new is started.
        tell: takes a line when a cell begins.

    Raises:
        UsageError: a name, the configuration, a task or the directory cannot be used; nothing was played then.
    """
    toolkit = with_possible_feedback(toolkit)
    # All models of one scaffold before the next one: a matrix that was cut short can be compared as far as it goes.
    cells = {(name, scaffold): _cell(toolkit, models[name], scaffold) for scaffold in scaffolds for name in models}
    tasks = load_tasks(toolkit)
    await _check(cells, tasks, out)
    failures: dict[tuple[str, str], InfrastructureError | PluginError] = {}
    with _held(out):
        _write(out, _record(toolkit, models, scaffolds, tasks))
        for number, ((name, scaffold), cell) in enumerate(cells.items(), start=1):
            if drain.is_set():
                break
            tell(f"cell {number} of {len(cells)}: {name} under {scaffold}")
            try:
                summary = await run_tasks(cell, cell_dir(out, name, scaffold), drain)
                for line in summary.budget_problems:
                    tell(f"{name} under {scaffold}: {line}")
                if summary.lost:
                    raise InfrastructureError(summary.lost)
            except (InfrastructureError, PluginError) as problem:
                tell(f"{name} under {scaffold}: {problem}")
                failures[name, scaffold] = problem
    return Played(interrupted=drain.is_set(), failures=failures)


def read_record(out: Path) -> MatrixRecord:
    """What a matrix is of.

    Raises:
        RunError: the directory holds no matrix.
    """
    try:
        return MatrixRecord.model_validate(tomllib.loads((out / RECORD).read_text("utf-8")))
    except OSError as problem:
        raise RunError(f"{out} is no matrix: {RECORD}: {problem.strerror}; `sandmle matrix -o` makes one") from problem
    except ValueError as problem:
        raise RunError(f"{out / RECORD} is no record of a matrix: {problem}") from problem


def _listed(words: Sequence[str]) -> list[str]:
    return [part.strip() for word in words for part in word.split(",") if part.strip()]


def _cell(toolkit: Toolkit, model: str, scaffold: str) -> Toolkit:
    settings = toolkit.settings
    run = settings.run.model_copy(update={"model": model, "scaffold": scaffold})
    return Toolkit(plugins=toolkit.plugins, settings=settings.model_copy(update={"run": run}))


async def _check(cells: Mapping[tuple[str, str], Toolkit], tasks: Sequence[Task], out: Path) -> None:
    """See that every cell can be played before the first one is: hours may lie between them."""
    opened: set[str] = set()
    for (name, scaffold), cell in cells.items():
        check_names(cell)
        for tracker in cell.settings.run.trackers:
            cell.registry.validate(Kind.TRACKER, tracker, cell.settings.options(Kind.TRACKER, tracker))
        folder = cell_dir(out, name, scaffold)
        if (folder / CONFIG).is_file():
            agree(folder, record_of(cell, tasks))
        if cell.settings.run.model not in opened:
            async with open_chat_model(cell, cell.settings.run.model) as model:
                check_prices(model, caps_of(cell.settings.budget))
                opened.add(cell.settings.run.model)


@contextmanager
def _held(out: Path) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            strange = sorted(path.name for path in out.iterdir() if path.name not in (LOCK, _HALF_WRITTEN))
            if strange and not (out / RECORD).is_file():
                raise RunError(f"{out} is no matrix (it holds {strange[0]!r}); name a new or empty directory")
            stack.enter_context(locked(out))
        except OSError as problem:
            raise RunError(f"the directory {out} cannot be used: {problem.strerror}") from problem
        yield


def _record(
    toolkit: Toolkit, models: Mapping[str, str], scaffolds: Sequence[str], tasks: Sequence[Task]
) -> MatrixRecord:
    return MatrixRecord(
        models=tuple(
            MatrixModel(name=name, model=model, lessons=lessons_of_model(model)) for name, model in models.items()
        ),
        scaffolds=tuple(scaffolds),
        group_size=toolkit.settings.run.group_size,
        families={task.spec.task_id: task.spec.rule_family for task in tasks},
    )


def _write(out: Path, record: MatrixRecord) -> None:
    document: dict[str, Any] = record.model_dump(mode="json")
    try:
        (out / _HALF_WRITTEN).write_text(tomli_w.dumps(document), "utf-8")
        os.replace(out / _HALF_WRITTEN, out / RECORD)
    except OSError as problem:
        raise StoreError(f"cannot write {out / RECORD}: {problem.strerror}") from problem
