"""Runs the grid on task directories: one sandboxed session per task, public files only, every result stored.

Results lie beside the task directories as `.stats.jsonl`, one line per task and program, found again by the hashes
of both: the same call goes on where it was stopped, and a changed task or program is measured anew.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from sandmle.core.contracts.sandbox import Sandbox, SandboxSession
from sandmle.core.engine.deadlines import see_through
from sandmle.core.engine.grading import LocalGrader
from sandmle.core.engine.line_log import LineLog, open_log
from sandmle.core.engine.tasks import Task
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import SandboxError, StoreError
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.sandbox import CellStatus, FetchRefusal, SandboxLimits
from sandmle.core.types.score import Medal
from sandmle.plugins.llms.offline.demonstrator.grid import program_sha256
from sandmle.plugins.llms.offline.demonstrator.programs import Program

STATS: Final = ".stats.jsonl"
"""Hidden, so that it is no part of a corpus that its manifest has to name."""
PROGRAM_TIMEOUT_S: Final = 60.0
"""Far above what a program needs: running out of it would make results depend on load."""
CLOSE_DEADLINE_S: Final = 30.0
MAX_SUBMISSION_BYTES: Final = 8 * 2**20
_CV: Final = re.compile(r"^cv (-?\d+\.\d+)$", re.MULTILINE)
# Programs of one task share a session, since opening one costs more than most fits; each finds no submission.
_FRESH: Final = 'import os\nif os.path.exists("submission.csv"):\n    os.remove("submission.csv")\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one program came to on one task."""

    task_sha256: str
    """Of `task.toml`, which holds the hash of every other file."""
    program_sha256: str
    task_id: str
    program: str
    ran: bool
    """Ended without an error and left a submission."""
    valid: bool
    medal: str
    human_rank: float
    """0 without a valid submission."""
    cv: float | None
    """Its own cross-validated score, as it printed it; comparable among programs of one output only."""
    wall_s: float


async def measure(
    toolkit: Toolkit,
    tasks: Sequence[Task],
    programs: Sequence[Program],
    *,
    workers: int = 2,
    on_task: Callable[[int, int], None] = lambda done, of: None,
) -> list[Result]:
    """Measure `programs` on `tasks`; what the `.stats.jsonl` beside a task holds already is not run again.

    Args:
        toolkit: `synthesis.sandbox` says where programs run.
        tasks: of any folders.
        programs: of the table.
        workers: sessions at once.
        on_task: told the number of tasks done and of all.

    Raises:
        InfrastructureError: the sandbox, the grader or the disk failed.
    """
    folders = sorted({task.layout.root.parent for task in tasks})
    known = {key: result for folder in folders for key, result in _known(folder / STATS).items()}
    wanted = [(task, _task_sha256(task)) for task in tasks]
    missing = [
        (task, digest, left)
        for task, digest in wanted
        if (left := [one for one in programs if (digest, program_sha256(one)) not in known])
    ]
    if missing:
        async with _bench(toolkit) as (sandbox, grader):
            with ExitStack() as stack:
                logs = {folder: stack.enter_context(_open_log(folder / STATS)) for folder in folders}
                bench = _Bench(sandbox=sandbox, grader=grader, logs=logs, known=known)
                await _work_off(bench, missing, workers, lambda done: on_task(done, len(missing)))
    return [known[digest, program_sha256(one)] for _, digest in wanted for one in programs]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    sandbox: Sandbox
    grader: LocalGrader
    logs: dict[Path, LineLog]
    known: dict[tuple[str, str], Result]

    def keep(self, task: Task, result: Result) -> None:
        self.logs[task.layout.root.parent].append(json.dumps(asdict(result)).encode(), durable=False)
        self.known[result.task_sha256, result.program_sha256] = result


@asynccontextmanager
async def _bench(toolkit: Toolkit) -> AsyncIterator[tuple[Sandbox, LocalGrader]]:
    async with AsyncExitStack() as stack:
        grader = LocalGrader()
        stack.push_async_callback(lambda: see_through(grader.close(), CLOSE_DEADLINE_S))
        sandbox: Sandbox = toolkit.make(Kind.SANDBOX, toolkit.settings.synthesis.sandbox)
        # Before start(): a half-started sandbox has to be closed too.
        stack.push_async_callback(lambda: see_through(sandbox.close(), CLOSE_DEADLINE_S))
        await sandbox.start()
        yield sandbox, grader


async def _work_off(
    bench: _Bench,
    missing: Iterable[tuple[Task, str, list[Program]]],
    workers: int,
    on_task: Callable[[int], None],
) -> None:
    waiting, done = iter(missing), 0

    async def work() -> None:
        nonlocal done
        for task, digest, programs in waiting:
            await _measure_task(bench, task, digest, programs)
            done += 1
            on_task(done)

    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())
    except BaseExceptionGroup as failures:
        failure = failures.exceptions[0]
    if failure is not None:
        raise failure


async def _measure_task(bench: _Bench, task: Task, digest: str, programs: list[Program]) -> None:
    waiting = list(reversed(programs))
    while waiting:
        async with bench.sandbox.session(public_dir=task.layout.public, limits=SandboxLimits()) as session:
            while waiting:
                program = waiting.pop()
                bench.keep(task, result := await _measure_one(bench, session, task, digest, program))
                # A session that a program took down is of no use to the others.
                if result.wall_s < 0:
                    break


async def _measure_one(bench: _Bench, session: SandboxSession, task: Task, digest: str, program: Program) -> Result:
    cell = await session.run(_FRESH + program.code, PROGRAM_TIMEOUT_S)
    if cell.status is CellStatus.DIED:
        # Raises when the death was the machinery's and not the program's.
        await bench.sandbox.check_health()
    content: bytes | None = None
    if cell.status is CellStatus.OK:
        fetched = await session.fetch("submission.csv", MAX_SUBMISSION_BYTES)
        if isinstance(fetched, FetchRefusal):
            raise SandboxError(f"{program.name} ran, and its submission cannot be had: {fetched.reason}")
        content = next(iter(fetched.files.values()))
    grade = None if content is None else await bench.grader.grade(task.layout.root, content)
    found = _CV.search(cell.stdout)
    return Result(
        task_sha256=digest,
        program_sha256=program_sha256(program),
        task_id=task.spec.task_id,
        program=program.name,
        ran=content is not None,
        valid=grade is not None and grade.valid,
        medal=(grade.medal if grade else Medal.NONE).value,
        human_rank=(grade.human_rank or 0.0) if grade else 0.0,
        cv=float(found[1]) if found else None,
        wall_s=round(cell.wall_s, 3) if cell.status in (CellStatus.OK, CellStatus.ERROR) else -1.0,
    )


@contextmanager
def _open_log(path: Path) -> Iterator[LineLog]:
    with ExitStack() as stack:
        try:
            log = stack.enter_context(open_log(path))
        except OSError as problem:
            raise StoreError(f"cannot write {path}: {problem.strerror}; results are kept beside the tasks") from problem
        yield log


def _known(path: Path) -> dict[tuple[str, str], Result]:
    if not path.is_file():
        return {}
    lines = path.read_bytes().splitlines()
    found: dict[tuple[str, str], Result] = {}
    for number, line in enumerate(lines, 1):
        try:
            fields: dict[str, Any] = json.loads(line)
            result = Result(**fields)
        except (ValueError, TypeError) as problem:
            # The last line may be torn by a kill; opening the log cuts it off.
            if number == len(lines):
                break
            raise StoreError(f"{path}, line {number} is no stored result: {problem}; remove the file") from problem
        found[result.task_sha256, result.program_sha256] = result
    return found


def _task_sha256(task: Task) -> str:
    return sha256(task.layout.spec.read_bytes()).hexdigest()
