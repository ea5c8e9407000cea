"""One episode's session as a tree search uses it: look at the data, run programs, have one submission stand.

The submission that counts in the end is the last valid one that stood or was submitted. So the best attempt's always
stands as `submission.csv`, from a copy kept in the session, or by running its program once more when a session that
timed out has taken the copy with it. The first line of every cell says what it is for: that is the record of the tree.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from sandmle.core.contracts.sandbox import DATA_DIR
from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.trajectory import Action, ActionKind, Observation
from sandmle.scaffolds.common.tree.board import Told, read_verdict
from sandmle.scaffolds.common.tree.journal import Attempt
from sandmle.scaffolds.common.truncation import head_and_tail

PACKAGE: Final = "sandmle.scaffolds.common.tree"
OUTPUT_CHARS: Final = 5100
"""Characters of a program's output that are kept, head and tail. AIDE's threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What running a program gave."""

    output: str
    failed: bool


class Bench:
    """Runs cells in the name of a scaffold."""

    def __init__(self, episode: EpisodeContext, scaffold: str) -> None:
        self._episode = episode
        self._scaffold = scaffold
        self._equipped = False
        self._kept: set[int] = set()
        self._standing: int | None = None

    async def preview(self) -> str:
        """What the public files look like; their names when looking fails."""
        call = f"{_source('preview')}\nprint(preview({DATA_DIR!r}))"
        seen = await self._cell("a look at the data", call)
        return seen.text.strip() if seen.cell is CellStatus.OK else "\n".join(self._episode.task.files)

    async def run(self, attempt: Attempt, why: str, *, put: bool = False) -> Ran:
        """Run an attempt's program from a fresh start.

        Args:
            attempt: what to run.
            why: for the record.
            put: whether a submission that it writes is to stand at once, because nothing better does.
        """
        parent = "" if attempt.parent is None else f" of attempt {attempt.parent}"
        note = f"attempt {attempt.number}, {attempt.operator.value}{parent}: {why}"
        return await self._run(attempt, note, put)

    async def put_up(self, attempt: Attempt, why: str) -> None:
        """Have an attempt's submission stand, unless it does already. One that wrote none leaves all as it is."""
        if self._standing == attempt.number:
            return
        note = f"the submission of attempt {attempt.number} is to stand: {why}"
        if attempt.number in self._kept:
            await self._cell(note, f"put_up({attempt.number})")
        else:
            await self._run(attempt, note, put=True)
        self._standing = attempt.number

    async def submit(self, attempt: Attempt) -> Told:
        """Have the submission of an attempt that has just run looked at, as the environment allows."""
        note = f"the submission of attempt {attempt.number} is to be looked at"
        await self._cell(note, f"put_up({attempt.number}, clear=True)")
        self._standing = attempt.number
        return read_verdict((await self._episode.act(Action(kind=ActionKind.SUBMIT))).text)

    async def _run(self, attempt: Attempt, note: str, put: bool) -> Ran:
        seen = await self._cell(note, f"run_program({attempt.number}, {_literal(attempt.code)}, put={put})")
        if put:
            self._standing = None
        if self._equipped:
            self._kept.add(attempt.number)
        return Ran(output=head_and_tail(seen.text.strip(), OUTPUT_CHARS), failed=seen.cell is not CellStatus.OK)

    async def _cell(self, note: str, call: str) -> Observation:
        tools = "" if self._equipped else f"{_source('workshop')}\n"
        code = f"# {self._scaffold}: {note}\n{tools}{call}"
        seen = await self._episode.act(Action(kind=ActionKind.RUN_CODE, code=code))
        self._equipped = True
        if seen.cell is CellStatus.TIMEOUT:
            # The new session is empty; what stood in the old one has been taken as submitted.
            self._equipped = False
            self._kept.clear()
        return seen


def _source(module: str) -> str:
    return files(PACKAGE).joinpath(f"{module}.py").read_text("utf-8")


def _literal(source: str) -> str:
    """A program as a string literal that a person can read, where there is one."""
    text = f"\n{source.rstrip()}\n"
    for quotes in ('"""', "'''"):
        if quotes not in text and "\r" not in text:
            return f"r{quotes}{text}{quotes}"
    return repr(text)
