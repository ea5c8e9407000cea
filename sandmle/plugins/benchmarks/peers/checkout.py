"""What can be wrong with a peer's checkout before any of its code runs: pointers instead of files, cut boards."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandmle.core.engine.board_csv import parse_board
from sandmle.core.engine.board_files import is_lfs_pointer
from sandmle.core.errors import BoardError

KAGGLE_COLUMNS: Final = frozenset(
    {"scoreNullable", "teamId", "hasTeamId", "hasTeamName", "submissionDate", "hasSubmissionDate", "hasScore"}
)
"""Columns of Kaggle's own API, which MLE-bench's `dev download-leaderboard` writes as they come."""
ONE_PAGE_ROWS: Final = 50
"""Kaggle's API gives a board in pages, and MLE-bench's re-download keeps only the first (20 rows, in a fork)."""
GIT_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardFlaw:
    """Why a board cannot be trusted."""

    detail: str
    remedy: str
    fatal: bool
    """Whether no medal can be given by it at all; else thresholds may be other than the benchmark's."""


def commit_of(checkout: Path) -> str:
    """The commit that is checked out; empty where git cannot tell."""
    return _git(checkout, "rev-parse", "HEAD").decode("utf-8", "replace").strip()


def repository_of(file: Path) -> Path:
    """The nearest folder above a file that is a git repository, else the file's own folder."""
    parents = file.absolute().parents
    return next((folder for folder in parents if (folder / ".git").exists()), parents[0])


def board_flaw(path: Path, checkout: Path) -> BoardFlaw | None:
    """What is wrong with a competition's leaderboard file; None when nothing is.

    Where the checkout is a git repository that stores boards with Git LFS, the file is compared with the hash that
    the repository has for it, so that a re-download is told for certain; elsewhere it is told by its looks.
    """
    pull = f"fetch the real one: `git -C {checkout} lfs pull` (needs the git-lfs package)"
    try:
        content = path.read_bytes()
    except OSError as problem:
        return BoardFlaw(detail=f"cannot be read: {problem.strerror}", remedy=pull, fatal=True)
    if is_lfs_pointer(content):
        return BoardFlaw(detail="is a Git LFS pointer, not the board itself", remedy=pull, fatal=True)
    try:
        table = parse_board(content)
    except BoardError as problem:
        return BoardFlaw(detail=str(problem), remedy=pull, fatal=True)
    if not table.rows:
        return BoardFlaw(detail="has no teams", remedy=pull, fatal=True)
    if not content.endswith((b"\n", b"\r")) and _last_line_is_short(content):
        return BoardFlaw(detail=f"ends in the middle of row {len(table.rows)}: it was cut", remedy=pull, fatal=True)
    recorded = _recorded_sha256(path, checkout)
    if recorded is not None and recorded != hashlib.sha256(content).hexdigest():
        told = f"is not the file of this commit ({len(table.rows)} rows): re-downloaded or edited"
        restore = f"{pull}, after `git -C {checkout} checkout -- {path.name}` in its folder"
        return BoardFlaw(detail=f"{told}, which changes every threshold", remedy=restore, fatal=False)
    if recorded is None and len(table.rows) <= ONE_PAGE_ROWS and KAGGLE_COLUMNS & set(table.header):
        told = f"has {len(table.rows)} rows in Kaggle's own columns: the first page of a re-download"
        return BoardFlaw(detail=f"{told}, which changes every threshold", remedy=pull, fatal=False)
    return None


def _last_line_is_short(content: bytes) -> bool:
    first, last = content.splitlines()[0], content.splitlines()[-1]
    return last.count(b",") < first.count(b",") or last.endswith(b",")


def _recorded_sha256(path: Path, checkout: Path) -> str | None:
    """The hash of the Git LFS pointer that the commit holds in the place of this file; None where it holds none."""
    try:
        name = path.resolve().relative_to(checkout.resolve()).as_posix()
    except ValueError:
        return None
    pointer = _git(checkout, "show", f"HEAD:{name}")
    if not is_lfs_pointer(pointer):
        return None
    found = [line.partition(b"sha256:")[2] for line in pointer.splitlines() if line.startswith(b"oid sha256:")]
    return found[0].decode("ascii", "replace").strip() if found else None


def _git(checkout: Path, *words: str) -> bytes:
    # A folder inside another repository is no checkout of its own: its commit would say nothing.
    if not (checkout / ".git").exists():
        return b""
    try:
        done = subprocess.run(
            ["git", "-C", str(checkout), *words],
            capture_output=True,
            check=False,
            timeout=GIT_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return done.stdout if done.returncode == 0 else b""
