"""Plays cheating agents on a draft before it is accepted: none of them may earn a medal.

The cheats run in the sandbox as any agent does, over the public files alone; their submissions are scored outside.
Each may score ten, and keeps the one that the public board likes best.
"""

import ast
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from sandmle.core.contracts.sandbox import Sandbox, SandboxSession
from sandmle.core.engine.boards import SCORE_DECIMALS
from sandmle.core.engine.grading import DraftScore, LocalGrader
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.sandbox import CellStatus, FetchRefusal
from sandmle.core.types.score import Direction
from sandmle.core.types.synthesis import Strategy
from sandmle.core.types.task import SubmissionFormat, TaskSpec
from sandmle.plugins.synthesizer.cheat_programs import CHEATS, MAX_SUBMISSIONS
from sandmle.plugins.synthesizer.scripts import LIMITS, describe_failure
from sandmle.plugins.synthesizer.tables import FaultError

SAMPLE_CHEAT: Final = "sample-submission"
PUBLIC_BOARD: Final = "public-board"
NAMES: Final = (*CHEATS, SAMPLE_CHEAT)
"""Every cheat that is played."""
_OURS: Final = "sandmle"
_FOLDER: Final = resources.files("sandmle.plugins.synthesizer")
_MAX_BYTES: Final = 64 * 2**20
"""Of one cheat's ten submissions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """What is cheated on."""

    strategy: Strategy
    form: SubmissionFormat
    answers: bytes
    """Of `private/answers.csv`; they never enter the sandbox."""
    sample: bytes

    @property
    def direction(self) -> Direction:
        return METRICS[self.strategy.metric].direction

    def told(self) -> dict[str, Any]:
        """What a description tells every agent: names and kinds of columns, and what is to be submitted."""
        kinds = {column.name: column.kind for column in self.strategy.columns}
        return {
            "id": self.form.id_column,
            "targets": list(self.form.target_columns),
            "target": next((name for name, kind in kinds.items() if kind == "target"), ""),
            "prediction": self.form.prediction.value,
            "classes": list(self.form.classes),
            "kinds": kinds,
        }


async def play_cheats(
    public: Path, victim: Victim, sandbox: Sandbox, grader: LocalGrader, timeout_s: float
) -> dict[str, float]:
    """Play every cheat on the public files in a folder.

    Returns:
        Cheat to its score on the private-board rows; a cheat that found nothing to submit is left out.

    Raises:
        FaultError: a cheat cannot be played on these files.
        TaskError: the answers leave the metric undefined.
        InfrastructureError: the sandbox or the grader failed.
    """
    told = victim.told()
    scored: dict[str, list[DraftScore]] = {}
    async with sandbox.session(public_dir=public, limits=LIMITS) as session:
        await _run(session, sandbox, program(), "reading the files", timeout_s)
        given = {name: await _submissions(session, sandbox, name, told, timeout_s) for name in CHEATS}
        given[SAMPLE_CHEAT] = [victim.sample]
        scores = iter(await _scores([one for some in given.values() for one in some], victim, grader))
        scored = {name: [next(scores) for _ in some] for name, some in given.items()}
        kept = _upper_half(scored[PUBLIC_BOARD], victim.direction)
        if kept:
            call = f"combine({PUBLIC_BOARD!r}, {told!r}, {kept!r})"
            await _run(session, sandbox, call, PUBLIC_BOARD, timeout_s)
            combined = await _fetched(session, [f"{PUBLIC_BOARD}-combined.csv"])
            scored[PUBLIC_BOARD] += await _scores(combined, victim, grader)
    found = {name: _kept_score(some, victim.direction) for name, some in scored.items()}
    return {name: score for name, score in found.items() if score is not None}


def medals_of_cheats(spec: TaskSpec, scores: Mapping[str, float]) -> Iterator[str]:
    """For each cheat that would win a medal, which and how."""
    bronze = spec.thresholds.bronze
    for name, score in scores.items():
        if not spec.metric.direction.better(bronze, round(score, SCORE_DECIMALS)):
            yield f"the cheat {name!r} would win a medal: it scores {score:g}, and bronze is {bronze:g}"


@cache
def program() -> str:
    """The code of all cheats as one cell."""
    parts = []
    for name in ("cheat_marks.py", "cheat_data.py", "cheat_programs.py"):
        tree = ast.parse((_FOLDER / name).read_text("utf-8"))
        # In the sandbox there is nothing of ours to import: what one file takes of the other is there already.
        tree.body = [node for node in tree.body if not _imports_ours(node)]
        parts.append(ast.unparse(tree))
    return "\n".join(parts)


def _imports_ours(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == _OURS


async def _submissions(
    session: SandboxSession, sandbox: Sandbox, name: str, told: Mapping[str, Any], timeout_s: float
) -> list[bytes]:
    said = await _run(session, sandbox, f"print(play({name!r}, {told!r}))", name, timeout_s)
    count = int(said) if said.isdecimal() else 0
    return await _fetched(session, [f"{name}-{number}.csv" for number in range(min(count, MAX_SUBMISSIONS))])


async def _run(session: SandboxSession, sandbox: Sandbox, code: str, name: str, timeout_s: float) -> str:
    result = await session.run(code, timeout_s)
    if result.status is CellStatus.DIED:
        # Raises when the death was the machinery's and not the files'.
        await sandbox.check_health()
    if result.status is not CellStatus.OK:
        raise FaultError(f"the cheat {name!r} cannot be played on these files: {describe_failure(result, timeout_s)}")
    return result.stdout.strip()


async def _fetched(session: SandboxSession, paths: Sequence[str]) -> list[bytes]:
    found = []
    for path in paths:
        fetched = await session.fetch(path, _MAX_BYTES)
        if isinstance(fetched, FetchRefusal):
            raise FaultError(f"a cheat's submission {path} was refused: {fetched.reason}")
        found.append(next(iter(fetched.files.values())))
    return found


async def _scores(submissions: Sequence[bytes], victim: Victim, grader: LocalGrader) -> list[DraftScore]:
    report = await grader.judge_draft(victim.answers, victim.form, victim.strategy.metric, list(submissions))
    return list(report.scores)


def _upper_half(scores: Sequence[DraftScore], direction: Direction) -> list[int]:
    """Numbers of the submissions that the public board likes better than the others; none of fewer than four."""
    sign = -1 if direction is Direction.MAXIMIZE else 1
    valid = [(sign * board, number) for number, (board, _) in enumerate(map(_boards, scores)) if board is not None]
    return [number for _, number in sorted(valid)[: len(valid) // 2]] if len(valid) >= 4 else []


def _kept_score(scores: Sequence[DraftScore], direction: Direction) -> float | None:
    """The private score of the submission that the public board likes best."""
    best: tuple[float, float] | None = None
    for public, private in map(_boards, scores):
        if public is None or private is None:
            continue
        if best is None or direction.better(public, best[0]):
            best = public, private
    return None if best is None else best[1]


def _boards(score: DraftScore) -> tuple[float | None, float | None]:
    """Public and private score, where they are numbers."""
    public, private = (
        value if value is not None and math.isfinite(value) else None for value in (score.public, score.private)
    )
    return public, private
