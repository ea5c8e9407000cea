"""What the checks of the sandbox suite have in common: a small session, and what is asserted of its answers."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

from sandmle.core.contracts.sandbox import Sandbox, SandboxSession
from sandmle.core.types.sandbox import CellResult, CellStatus, FetchedFiles, FetchRefusal, SandboxLimits

DEADLINE_S: Final = 60.0
"""For cells that are not meant to run into it: a busy machine is not a broken sandbox."""
SMALL: Final = SandboxLimits(memory_mb=512, workdir_mb=32, output_chars=1000)
MIB: Final = 1024 * 1024


def open_small(sandbox: Sandbox, public: Path | None = None) -> AbstractAsyncContextManager[SandboxSession]:
    """A session of small limits."""
    return sandbox.session(public_dir=public, limits=SMALL)


async def ok(session: SandboxSession, code: str) -> str:
    """Run a cell that must succeed; its standard output."""
    result = await session.run(code, DEADLINE_S)
    assert result.status is CellStatus.OK, f"a harmless cell ended as {result.status}: {result.stderr}"
    return result.stdout


def expect(result: CellResult, status: CellStatus, doing: str) -> None:
    """Assert how a cell ended."""
    assert result.status is status, f"{doing} gave {result.status} instead of {status}: {result.stderr}"


def refused(got: FetchedFiles | FetchRefusal, what: str) -> None:
    """Assert that nothing was handed over, and that it is said why."""
    assert isinstance(got, FetchRefusal), f"{what} was handed over"
    assert got.reason, f"{what} was refused without a reason"


def same(got: FetchedFiles | FetchRefusal, files: dict[str, bytes], what: str) -> None:
    """Assert that exactly these files were handed over."""
    assert isinstance(got, FetchedFiles), f"{what} was refused: {got.reason}"
    assert dict(got.files) == files, f"{what} was changed on the way"


def public_folder(directory: Path, **files: str) -> Path:
    """The public folder of a task in `directory`, with tables by name; by default one."""
    public = directory / "task" / "public"
    public.mkdir(parents=True)
    for name, text in (files or {"train": "id,y\n1,2\n"}).items():
        (public / f"{name}.csv").write_text(text, encoding="utf-8")
    return public
