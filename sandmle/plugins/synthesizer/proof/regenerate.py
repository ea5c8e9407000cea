"""Makes a task's files anew in a sandbox, by the script and the solutions it carries, and compares.

This proves what hashes alone cannot: that the answers are those of the script, and that the board's scores are those
of the solutions. The scripts of a corpus are untrusted; they run where an agent's code runs, and nowhere else.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.engine.file_trees import read_regular
from sandmle.core.engine.grading import LocalGrader
from sandmle.core.engine.tasks import Task, read_task
from sandmle.core.errors import TaskError
from sandmle.core.types.synthesis import Evaluation, ReferenceSolution, Strategy, TaskProblem
from sandmle.plugins.synthesizer.assembly import versions
from sandmle.plugins.synthesizer.cheats import Victim, medals_of_cheats, play_cheats
from sandmle.plugins.synthesizer.files import ANSWERS, ORACLE, SAMPLE, most_bytes
from sandmle.plugins.synthesizer.population import POPULATION, check_format, run_population
from sandmle.plugins.synthesizer.roles import check_shape
from sandmle.plugins.synthesizer.scratch import public_folder
from sandmle.plugins.synthesizer.scripts import run_generator
from sandmle.plugins.synthesizer.tables import FaultError

SAME_SCORE: Final = 1e-4
"""Scores that differ by less, relative to their size or absolutely, are the same on another machine."""
ORACLE_NAME: Final = "oracle"
MAX_CODE_BYTES: Final = 4 * 2**20
_RNG_SEED: Final = re.compile(r"RNG_SEED = ([0-9]{1,10})\n")
_SHOWN: Final = 5
_NOT_GENERATING: Final = ("sandmle", "langgraph", "litellm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What is used to make files anew."""

    sandbox: Sandbox
    grader: LocalGrader
    timeout_s: float
    """Of one script or solution."""


async def regenerate(path: Path, tools: Tools) -> tuple[TaskProblem, ...]:
    """Make a task's files anew and compare; to be asked only of a directory whose hashes hold.

    Where the versions of what generated and fitted are those recorded, every byte must be the same. Elsewhere the
    bytes may differ, and the scores must agree to 1e-4.

    Raises:
        TaskError: the directory cannot be read.
        InfrastructureError: the sandbox or the grader failed.
    """
    task = read_task(path)
    try:
        strategy = _strategy(task)
        found = _RNG_SEED.match(script := _text(task, "generate.py"))
        if found is None:
            return (_problem("private/generate.py does not begin with its RNG_SEED"),)
        most = most_bytes(strategy.train_rows)
        files = await run_generator(tools.sandbox, script[found.end() :], int(found[1]), tools.timeout_s, most)
        differing = sorted(_differing(task, files))
        if differing and _versions_here(task):
            return (_problem(f"the script makes other files: {', '.join(differing[:_SHOWN])}"),)
        problems = await _compare_scores(task, strategy, files, tools)
        return (*problems, *await _play_cheats(task, strategy, files, tools))
    except FileNotFoundError as problem:
        return (_problem(f"it cannot be made anew: {problem.filename} is not there"),)
    except (FaultError, TaskError) as problem:
        return (_problem(str(problem)),)


def _strategy(task: Task) -> Strategy:
    try:
        strategy = Strategy.model_validate_json(_text(task, "strategy.json"))
        check_shape(strategy)
    except ValidationError as problem:
        raise FaultError(f"private/strategy.json: {problem.errors()[0]['msg']}") from problem
    except FaultError as problem:
        raise FaultError(f"private/strategy.json: {problem}") from problem
    return strategy


def _evaluation(task: Task) -> Evaluation:
    """What a submission looks like and whose code is on the board, as `task.toml` says."""
    spec, recorded = task.spec, task.spec.provenance.content_sha256
    names = [one.name for one in spec.solutions if one.name != ORACLE_NAME]
    strange = next((name for name in names if f"private/solutions/{name}.py" not in recorded), None)
    if strange is not None:
        # Such a name may be a path that leads out of the task.
        raise FaultError(f"task.toml tells of a solution {strange[:80]!r}, of which there is no code")
    codes = {name: _text(task, f"solutions/{name}.py") for name in names}
    try:
        solutions = tuple(ReferenceSolution(name=name, code=codes[name]) for name in names)
        return Evaluation(metric=spec.metric.name, solutions=solutions, **spec.submission.model_dump())
    except ValidationError as problem:
        raise FaultError(f"the solutions in task.toml: {problem.errors()[0]['msg']}") from problem


def _text(task: Task, name: str) -> str:
    content = read_regular(task.layout.private / name, MAX_CODE_BYTES)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise TaskError(f"{task.layout.private / name} is not UTF-8 text") from problem


def _differing(task: Task, files: Mapping[str, bytes]) -> Iterator[str]:
    recorded = {
        name: digest
        for name, digest in task.spec.provenance.content_sha256.items()
        if name.startswith("public/") or name in (ANSWERS, ORACLE)
    }
    made = {name: sha256(content).hexdigest() for name, content in files.items()}
    yield from (name for name in recorded.keys() | made.keys() if recorded.get(name) != made.get(name))


def _versions_here(task: Task) -> bool:
    """Whether what generates and fits here is what did then; our own version changes neither."""
    here, then = versions(), task.spec.provenance.versions
    return all(here.get(name) == version for name, version in then.items() if name not in _NOT_GENERATING)


async def _compare_scores(
    task: Task, strategy: Strategy, files: Mapping[str, bytes], tools: Tools
) -> list[TaskProblem]:
    spec, evaluation = task.spec, _evaluation(task)
    key = check_format(evaluation, strategy, files)
    submitted = await run_population(evaluation, files, tools.sandbox, key, tools.timeout_s)
    names = [one.name for one in spec.solutions]
    entries = [files[ORACLE] if name == ORACLE_NAME else submitted[f"{POPULATION}{name}.csv"] for name in names]
    report = await tools.grader.judge_draft(files[ANSWERS], spec.submission, spec.metric.name, entries)
    problems = []
    for one, score in zip(spec.solutions, report.scores, strict=True):
        if score.private is None or not abs(score.private - one.score) <= SAME_SCORE * max(1.0, abs(one.score)):
            problems.append(_problem(f"{one.name} scores {score.private}, and task.toml says {one.score}"))
    return problems


async def _play_cheats(
    task: Task, strategy: Strategy, files: Mapping[str, bytes], tools: Tools
) -> Iterator[TaskProblem]:
    """The cheats of admission once more: whoever published the corpus may have left them out."""
    victim = Victim(strategy=strategy, form=task.spec.submission, answers=files[ANSWERS], sample=files[SAMPLE])
    with public_folder(files) as public:
        scores = await play_cheats(public, victim, tools.sandbox, tools.grader, tools.timeout_s)
    return (TaskProblem(check="cheat-medal", message=said) for said in medals_of_cheats(task.spec, scores))


def _problem(message: str) -> TaskProblem:
    return TaskProblem(check="regenerated", message=message)
