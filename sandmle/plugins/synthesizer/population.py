"""Runs the reference solutions, each in a fresh session over the public files, and checks what they submit."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.engine.answers import AnswerKey, parse_answers
from sandmle.core.engine.csv_table import MAX_BYTES, InvalidSubmission
from sandmle.core.engine.submissions import parse_submission
from sandmle.core.errors import TaskError
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.sandbox import CellStatus, FetchRefusal
from sandmle.core.types.score import Prediction
from sandmle.core.types.synthesis import Evaluation, ReferenceSolution, Strategy
from sandmle.core.types.task import SubmissionFormat
from sandmle.plugins.synthesizer.files import ANSWERS, ORACLE, SAMPLE, check_files, column_of
from sandmle.plugins.synthesizer.scripts import LIMITS, describe_failure
from sandmle.plugins.synthesizer.tables import FaultError

POPULATION: Final = "population/"
"""Where the dossier keeps the submissions of the population, as `population/<name>.csv`."""
RESERVED: Final = ("oracle", "sample-submission", "constant")
MAX_SOLUTIONS: Final = 60
_COMPLAINT_CHARACTERS: Final = 1500


def submission_format(evaluation: Evaluation) -> SubmissionFormat:
    """The engineer's answer as `task.toml` keeps it."""
    return SubmissionFormat(
        id_column=evaluation.id_column,
        target_columns=evaluation.target_columns,
        prediction=evaluation.prediction,
        classes=evaluation.classes,
    )


def check_format(evaluation: Evaluation, strategy: Strategy, files: Mapping[str, bytes]) -> AnswerKey:
    """Hold the format against the strategy and the files, and parse the answers by it.

    Raises:
        FaultError: it does not agree with them, or the sample or the oracle cannot be graded by it.
    """
    tables = check_files(files, strategy)
    target = column_of(strategy, "target")
    labels = tuple(sorted(set(tables.train.column(target)))) if strategy.task_type == "classification" else ()
    wanted = METRICS[strategy.metric].prediction
    several = wanted is Prediction.PROBABILITY and len(labels) > 2
    if strategy.metric in ("roc_auc", "average_precision") and len(labels) != 2:
        raise FaultError(f"metric {strategy.metric!r} needs two classes, train.csv has {len(labels)}")
    facts = {
        "metric": strategy.metric,
        "id_column": column_of(strategy, "id"),
        "prediction": wanted,
        "classes": labels,
        "target_columns": labels if several else (target,),
    }
    for name, value in facts.items():
        if getattr(evaluation, name) != value:
            raise FaultError(f"{name} must be {value!r}, not {getattr(evaluation, name)!r}")
    header = (evaluation.id_column, *evaluation.target_columns)
    if tables.sample.header != header:
        raise FaultError(f"{SAMPLE} has the columns {list(tables.sample.header)}, the format says {list(header)}")
    _check_names(evaluation)
    try:
        key = parse_answers(files[ANSWERS], submission_format(evaluation))
    except TaskError as problem:
        raise FaultError(str(problem)) from problem
    for path in (SAMPLE, ORACLE):
        _check_gradable(files[path], key, path)
    return key


def _check_names(evaluation: Evaluation) -> None:
    names = [solution.name for solution in evaluation.solutions]
    if len(set(names)) != len(names) or set(names) & set(RESERVED) or len(names) > MAX_SOLUTIONS:
        raise FaultError(f"solutions: at most {MAX_SOLUTIONS}, names all different and none of {', '.join(RESERVED)}")


def _check_gradable(submission: bytes, key: AnswerKey, what: str) -> None:
    try:
        parse_submission(submission, key)
    except InvalidSubmission as problem:
        raise FaultError(f"{what} cannot be graded: {problem}") from problem


async def run_population(
    evaluation: Evaluation,
    files: Mapping[str, bytes],
    sandbox: Sandbox,
    key: AnswerKey,
    timeout_s: float,
) -> dict[str, bytes]:
    """Run every solution over the public files alone.

    Returns:
        `population/<name>.csv` to the submission.

    Raises:
        FaultError: naming every solution that failed and why.
        SandboxError: the machinery failed.
    """
    submissions: dict[str, bytes] = {}
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="sandmle-public-") as folder:
        public = Path(folder) / "public"
        _write_public(files, public)
        for solution in evaluation.solutions:
            try:
                content = await _run_solution(solution, public, sandbox, timeout_s)
                _check_gradable(content, key, "submission.csv")
                submissions[f"{POPULATION}{solution.name}.csv"] = content
            except FaultError as fault:
                faults.append(f"solution {solution.name!r}: {str(fault)[-_COMPLAINT_CHARACTERS:]}")
    if faults:
        raise FaultError("\n\n".join(faults))
    return submissions


async def _run_solution(solution: ReferenceSolution, public: Path, sandbox: Sandbox, timeout_s: float) -> bytes:
    async with sandbox.session(public_dir=public, limits=LIMITS) as session:
        result = await session.run(solution.code, timeout_s)
        if result.status is CellStatus.DIED:
            await sandbox.check_health()
        if result.status is not CellStatus.OK:
            raise FaultError(describe_failure(result, timeout_s))
        await session.end()
        fetched = await session.fetch("submission.csv", MAX_BYTES)
    if isinstance(fetched, FetchRefusal):
        raise FaultError(f"submission.csv was refused: {fetched.reason}")
    return next(iter(fetched.files.values()))


def _write_public(files: Mapping[str, bytes], folder: Path) -> None:
    """Every file gets the same time: a file's age must say nothing."""
    for path, content in files.items():
        if path.startswith("public/"):
            target = folder / path.removeprefix("public/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            os.utime(target, (0, 0))
