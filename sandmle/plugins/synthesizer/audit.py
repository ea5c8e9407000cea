"""Checks task directories that are on disk already: what `sandmle tasks check` finds.

The generator is not run again and nothing is fitted again; what can be told from the files is told.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from sandmle.core.engine.board_csv import parse_board
from sandmle.core.engine.boards import SCORE_DECIMALS, medal_rule
from sandmle.core.engine.ledger import LEDGER_NAME, read_ledger
from sandmle.core.engine.tasks import UNREAD, read_task, verify_task
from sandmle.core.errors import BoardError, RunError, TaskError
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Thresholds
from sandmle.core.types.synthesis import Strategy, TaskProblem
from sandmle.core.types.task import TaskLayout, TaskSpec
from sandmle.plugins.synthesizer.checks import MIN_POPULATION, TOLERATED
from sandmle.plugins.synthesizer.files import check_files, most_bytes
from sandmle.plugins.synthesizer.probes import probe
from sandmle.plugins.synthesizer.roles import check_shape
from sandmle.plugins.synthesizer.tables import FaultError
from sandmle.plugins.synthesizer.wording import missing_names, rule_words

_PARTS_AT_MOST: Final = 3
"""Times what a script may write in each part: the solutions' code and the board come on top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """How many task directories were looked at, and what was found: (folder name, problem) each."""

    tasks: int
    problems: tuple[tuple[str, TaskProblem], ...]


def audit(folder: Path) -> AuditReport:
    """Check one task directory, or every folder of a corpus and its ledger.

    Raises:
        TaskError: there is nothing to check.
    """
    if not folder.is_dir():
        raise TaskError(f"{folder} is not a directory")
    if TaskLayout(folder).spec.exists():
        return AuditReport(tasks=1, problems=tuple((folder.name, one) for one in _audit_task(folder)))
    folders = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not folders:
        raise TaskError(f"no tasks in {folder}")
    found = [(entry.name, one) for entry in folders for one in _audit_task(entry)]
    found += [(folder.name, one) for one in _audit_corpus(folder, folders)]
    return AuditReport(tasks=len(folders), problems=tuple(found))


def _audit_corpus(folder: Path, tasks: list[Path]) -> Iterator[TaskProblem]:
    if not (folder / LEDGER_NAME).exists():
        return
    try:
        accepted = {line.task_id for line in read_ledger(folder) if line.task_id}
    except RunError as problem:
        yield TaskProblem(check="ledger", message=str(problem))
        return
    names = {task.name for task in tasks}
    for name in sorted(accepted - names):
        yield TaskProblem(check="ledger", message=f"{name} was accepted and is gone")
    for name in sorted(names - accepted):
        yield TaskProblem(check="ledger", message=f"{name} is not in the ledger")


def _audit_task(path: Path) -> Iterator[TaskProblem]:
    differences = verify_task(path)
    yield from differences
    if any(problem.check in (UNREAD, "task-directory") for problem in differences):
        return
    task = read_task(path)
    spec, layout = task.spec, task.layout
    parts = [entry for part in (layout.public, layout.private) for entry in sorted(part.rglob("*")) if entry.is_file()]
    most = _PARTS_AT_MOST * most_bytes(spec.rows.train)
    if sum(entry.stat().st_size for entry in parts) > most:
        yield TaskProblem(check=UNREAD, message=f"{path} holds more than {most} bytes, and was not read further")
        return
    yield from _audit_metric(spec)
    yield from _audit_board(spec, layout)
    yield from _audit_solutions(spec, layout)
    files = {entry.relative_to(path).as_posix(): entry.read_bytes() for entry in parts}
    try:
        strategy = Strategy.model_validate_json(files.get("private/strategy.json", b""))
        check_shape(strategy)
    except ValidationError as problem:
        yield TaskProblem(check="strategy", message=f"private/strategy.json: {problem.errors()[0]['msg']}")
        return
    except FaultError as problem:
        yield TaskProblem(check="strategy", message=f"private/strategy.json: {problem}")
        return
    yield from _audit_files(files, strategy)
    for message in missing_names(task.description, strategy):
        yield TaskProblem(check="description-names", message=message)
    for message in rule_words(task.description, strategy):
        yield TaskProblem(check="description-rule", message=message)


def _audit_metric(spec: TaskSpec) -> Iterator[TaskProblem]:
    metric = METRICS.get(spec.metric.name)
    if metric is None or metric.direction is not spec.metric.direction:
        yield TaskProblem(check="metric", message=f"{spec.metric.name} {spec.metric.direction} is not in the catalogue")
    elif metric.prediction is not spec.submission.prediction:
        yield TaskProblem(check="metric", message=f"{metric.name} takes {metric.prediction}")


def _audit_board(spec: TaskSpec, layout: TaskLayout) -> Iterator[TaskProblem]:
    try:
        board = parse_board(layout.leaderboard.read_bytes())
        rule = medal_rule(board.column(1))
    except (BoardError, IndexError) as problem:
        yield TaskProblem(check="board", message=f"private/leaderboard.csv: {problem}")
        return
    if board.header != ("rank", "score"):
        yield TaskProblem(check="board", message="private/leaderboard.csv: the header must be rank,score")
    yield from _audit_thresholds(spec, rule.thresholds)
    if rule.n_teams < MIN_POPULATION:
        yield TaskProblem(check="population-size", message=f"the board has {rule.n_teams} rows")
    standing = [f"{one.score:.{SCORE_DECIMALS}f}" for one in spec.solutions]
    if [row[1] for row in board.rows] != standing:
        yield TaskProblem(check="board", message="the board is not the scores of the solutions in task.toml")
    order = [one.score for one in spec.solutions]
    if any(spec.metric.direction.better(b, a) for a, b in pairwise(order)):
        yield TaskProblem(check="board", message="the solutions in task.toml are not ordered best first")


def _audit_thresholds(spec: TaskSpec, by_board: Thresholds) -> Iterator[TaskProblem]:
    """Thresholds are in order, and what the board's positions say, or the scores of the ladder's rungs."""
    told = spec.thresholds.model_dump()
    scores = {one.name: one.score for one in spec.solutions}
    rungs = dict(zip(told, spec.ladder[::-1], strict=False))
    for name, score in told.items():
        rung = rungs.get(name)
        wanted = scores.get(rung, math.nan) if rung else getattr(by_board, name)
        if not math.isclose(score, wanted, abs_tol=10**-SCORE_DECIMALS / 2):
            where = f"the score of {rung!r}" if rung else "that of task.toml"
            yield TaskProblem(check="board", message=f"the board's {name} threshold is not {where}")
    if not all(spec.metric.direction.better(a, b) for a, b in pairwise(told.values())):
        yield TaskProblem(check="thresholds-order", message=f"not strictly ordered: {told}")


def _audit_solutions(spec: TaskSpec, layout: TaskLayout) -> Iterator[TaskProblem]:
    recorded = spec.provenance.content_sha256
    for one in spec.solutions:
        path = f"private/solutions/{one.name}.py"
        if one.code_sha256 and recorded.get(path) != one.code_sha256:
            yield TaskProblem(check="solutions", message=f"{path} is not the code whose score is on the board")


def _audit_files(files: dict[str, bytes], strategy: Strategy) -> Iterator[TaskProblem]:
    generated = {
        path: content
        for path, content in files.items()
        if path.startswith("public/") or path in ("private/answers.csv", "private/oracle.csv")
    }
    try:
        tables = check_files(generated, strategy)
    except FaultError as fault:
        yield TaskProblem(check="file-schema", message=str(fault))
        return
    for name, skill in probe(tables, generated, strategy).items():
        if skill > TOLERATED[name]:
            yield TaskProblem(check="leak-probe", message=f"{name} gives the target away: {skill:.2f}")
    hidden = Counter(content for path, content in files.items() if path.startswith("private/"))
    for path, content in generated.items():
        if path.startswith("public/") and content in hidden:
            yield TaskProblem(check="public-answers", message=f"{path} is a copy of a private file")
