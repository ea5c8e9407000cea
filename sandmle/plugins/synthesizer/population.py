"""Runs the reference solutions in a sandbox over the public files, and checks what they submit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Final

from sandmle.core.contracts.sandbox import Sandbox, SandboxSession
from sandmle.core.engine.answers import AnswerKey, parse_answers
from sandmle.core.engine.csv_table import InvalidSubmission
from sandmle.core.engine.submissions import parse_submission
from sandmle.core.errors import SandboxError, TaskError
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.sandbox import CellResult, CellStatus, FetchRefusal
from sandmle.core.types.score import Prediction
from sandmle.core.types.synthesis import Evaluation, ReferenceSolution, Strategy
from sandmle.core.types.task import SubmissionFormat
from sandmle.plugins.synthesizer.files import ANSWERS, ORACLE, SAMPLE, check_files, column_of, targets_of
from sandmle.plugins.synthesizer.scratch import public_folder
from sandmle.plugins.synthesizer.scripts import LIMITS, describe_failure
from sandmle.plugins.synthesizer.tables import FaultError

POPULATION: Final = "population/"
"""Where the dossier keeps the submissions of the population, as `population/<name>.csv`."""
RESERVED: Final = ("oracle", "sample-submission", "constant")
MAX_SOLUTIONS: Final = 60
MAX_FAULTS: Final = 8
"""Enough to learn from; a population whose every member hangs must not hold the synthesis for an hour."""
MAX_SUBMISSION_BYTES: Final = 8 * 2**20
"""Far above 7,000 rows of 50 class probabilities; the whole population travels to the grader at once."""
_COMPLAINT_CHARACTERS: Final = 1500
_PREPARE_TIMEOUT_S: Final = 120.0
"""For what takes milliseconds on a machine at rest."""
_FOLDER: Final = resources.files("sandmle.plugins.synthesizer")


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
    facts = {
        "metric": strategy.metric,
        "id_column": column_of(strategy, "id"),
        "prediction": wanted,
        "classes": labels,
        "target_columns": labels if several else tuple(targets_of(strategy)),
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

    They share a session, since opening one costs more than most fits; each finds an empty directory, an empty
    namespace and fresh random states, and what the first lines of several come to is worked out once (see
    `solution_runner.py`). One that kills the session leaves a new one to the rest.

    Returns:
        `population/<name>.csv` to the submission.

    Raises:
        FaultError: naming every solution that failed and why.
        SandboxError: the machinery failed.
    """
    work = _Work(key=key, sandbox=sandbox, timeout_s=timeout_s, waiting=list(reversed(evaluation.solutions)))
    with public_folder(files) as public:
        while work.goes_on:
            async with sandbox.session(public_dir=public, limits=LIMITS) as session:
                await _prepare(work, session)
                while work.goes_on and await _run_next(work, session):
                    pass
    if work.faults:
        raise FaultError("\n\n".join(work.faults))
    return work.submissions


@dataclass(kw_only=True)
class _Work:
    key: AnswerKey
    sandbox: Sandbox
    timeout_s: float
    waiting: list[ReferenceSolution]
    submissions: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def goes_on(self) -> bool:
        return bool(self.waiting) and len(self.faults) < MAX_FAULTS


async def _prepare(work: _Work, session: SandboxSession) -> None:
    """Have a session ready for solutions.

    Raises:
        SandboxError: not even that ran; it is no solution's fault.
    """
    result = await session.run(_runner(), _PREPARE_TIMEOUT_S)
    if result.status is not CellStatus.OK:
        await work.sandbox.check_health()
        raise SandboxError(f"a session for reference solutions: {describe_failure(result, _PREPARE_TIMEOUT_S)}")


async def _run_next(work: _Work, session: SandboxSession) -> bool:
    """Run one solution; False when it killed the session."""
    solution = work.waiting.pop()
    result = await session.run(_cell(solution), work.timeout_s)
    try:
        content = await _submission(result, session, work)
        _check_gradable(content, work.key, "submission.csv")
        work.submissions[f"{POPULATION}{solution.name}.csv"] = content
    except FaultError as fault:
        work.faults.append(f"solution {solution.name!r}: {str(fault)[-_COMPLAINT_CHARACTERS:]}")
    return result.status in (CellStatus.OK, CellStatus.ERROR)


async def _submission(result: CellResult, session: SandboxSession, work: _Work) -> bytes:
    if result.status is CellStatus.DIED:
        # Raises when the death was the machinery's and not the solution's.
        await work.sandbox.check_health()
    if result.status is not CellStatus.OK:
        raise FaultError(describe_failure(result, work.timeout_s))
    fetched = await session.fetch("submission.csv", MAX_SUBMISSION_BYTES)
    if isinstance(fetched, FetchRefusal):
        raise FaultError(f"submission.csv was refused: {fetched.reason}")
    return next(iter(fetched.files.values()))


@cache
def _runner() -> str:
    return f"{(_FOLDER / 'solution_runner.py').read_text('utf-8')}\n_runner = Runner()\n"


def _cell(solution: ReferenceSolution) -> str:
    """The solution as one cell, its lines in tracebacks."""
    return f"_runner.run({f'{solution.name}.py'!r}, {solution.code!r})"
