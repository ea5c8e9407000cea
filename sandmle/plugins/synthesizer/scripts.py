"""Runs generator scripts in a sandbox and collects what they wrote."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Final

from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.types.sandbox import CellResult, CellStatus, FetchRefusal, SandboxLimits
from sandmle.plugins.synthesizer.files import MAX_TREE_BYTES, MAX_TREE_FILES
from sandmle.plugins.synthesizer.tables import FaultError

_COMPLAINT_CHARACTERS: Final = 4000
LIMITS: Final = SandboxLimits()


def with_rng_seed(script: str, rng_seed: int) -> str:
    """The script as it is run and kept: `RNG_SEED` stands before its first line."""
    return f"RNG_SEED = {rng_seed}\n{script}"


async def run_generator(
    sandbox: Sandbox, script: str, rng_seed: int, timeout_s: float, most: int = MAX_TREE_BYTES
) -> dict[str, bytes]:
    """Run a generator script in a session of its own and fetch `public/` and `private/`, at most `most` bytes of each.

    Raises:
        FaultError: the script failed, ran out of time, or wrote something that may not be fetched.
        SandboxError: the machinery failed.
    """
    limits = replace(LIMITS, workdir_mb=max(LIMITS.workdir_mb, 2 * most // 2**20))
    async with sandbox.session(public_dir=None, limits=limits) as session:
        result = await session.run(with_rng_seed(script, rng_seed), timeout_s)
        if result.status is CellStatus.DIED:
            # Raises when the death was the machinery's and not the script's.
            await sandbox.check_health()
        if result.status is not CellStatus.OK:
            raise FaultError(f"the script failed: {describe_failure(result, timeout_s)}")
        await session.end()
        files: dict[str, bytes] = {}
        for folder in ("public", "private"):
            fetched = await session.fetch_tree(folder, most, MAX_TREE_FILES)
            if isinstance(fetched, FetchRefusal):
                raise FaultError(f"what the script wrote was refused: {fetched.path}: {fetched.reason}")
            files.update(fetched.files)
    return dict(sorted(files.items()))


def describe_failure(result: CellResult, timeout_s: float) -> str:
    """How a script ended, in words for the role that wrote it."""
    if result.status is CellStatus.TIMEOUT:
        return f"it was still running after {timeout_s:g} s; bound its work"
    said = (result.stderr.strip() or result.stdout.strip())[-_COMPLAINT_CHARACTERS:]
    ended = "its process died (memory, exit or crash)" if result.status is CellStatus.DIED else "it raised"
    return f"{ended}\n{said}"


def hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 by path."""
    return {path: sha256(content).hexdigest() for path, content in sorted(files.items())}
