"""What can go wrong, by whose fault.

    SandmleError
    ├── UsageError            the person at the keyboard: a bad argument, config, board, task directory
    │   ├── ConfigError
    │   ├── BoardError
    │   ├── TaskError
    │   └── RunError          a run directory that cannot be used or resumed
    ├── PluginError           a plugin: names the plugin, the hook or spec, and the fix
    ├── BudgetError           a cap on tokens or money is reached: nothing is wrong, and nothing is lost
    ├── RoleError             a synthesizer role gave up within its tries; the draft is rejected, nothing else
    └── InfrastructureError   the ground under us: never turned into a score or a reward
        ├── SandboxError
        ├── ProviderError
        ├── GraderError
        └── StoreError

The agent's own mistakes are not here: a traceback, a bad submission or a timeout it caused is data
(a `CellResult`, an `Observation`, a `StopReason`, an invalid `Grade`). Anything outside this tree is
a defect of ours and ends the program with a traceback.

This file draws the tree and holds what says whose failure something was: `boundary` of an escaping exception,
`cannot_write` of a file that cannot be written.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Final

OUT_OF_MEANS: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)
"""What the operating system says when the machine fails, whatever place was named."""


class SandmleError(Exception):
    """Anything SandMLE raises on purpose; `str(error)` is fit to print to a person."""


class UsageError(SandmleError):
    """What the user gave cannot be used; the message says what, where, and what to do."""


class ConfigError(UsageError):
    """A configuration file, environment variable or option has a wrong key or value."""


class BoardError(UsageError):
    """A leaderboard or scores file cannot be read as one."""


class TaskError(UsageError):
    """A folder is not a usable task directory."""


class RunError(UsageError):
    """A run directory cannot be used, or cannot be resumed with this configuration."""


class PluginError(SandmleError):
    """A plugin broke a rule of the hook surface or failed inside its own code."""


class BudgetError(SandmleError):
    """What may be spent is spent; the same command goes on once the cap is raised."""

    def __init__(self, message: str, *, scope: str) -> None:
        super().__init__(message)
        self.scope = scope
        """`run`, or the id of the task whose cap is reached."""


class RoleError(SandmleError):
    """A synthesizer role did not produce a usable answer within its tries."""


class InfrastructureError(SandmleError):
    """The machinery failed, not the agent: such an episode is left out of its group."""


class SandboxError(InfrastructureError):
    """The sandbox itself failed (its zygote, kernel launcher or engine, or the disk below it)."""


class ProviderError(InfrastructureError):
    """The language-model provider failed after its retries."""


class GraderError(InfrastructureError):
    """The grading process failed on something that is not the submission's fault."""


class StoreError(InfrastructureError):
    """Records could not be written."""


@contextmanager
def boundary(error: type[InfrastructureError] | type[PluginError], doing: str) -> Iterator[None]:
    """Attribute whatever escapes the block to `error`, with `doing` naming the crossing.

    Exceptions of our own tree pass unchanged: they were attributed where they arose.
    `KeyboardInterrupt` and cancellation pass too, since they are nobody's failure.

    Raises:
        error: for any other exception, chained to it.
    """
    try:
        yield
    except SandmleError:
        raise
    # A broad except on purpose: this is the one place that turns a foreign exception into an attributed one.
    except Exception as problem:
        raise error(f"{doing}: {type(problem).__name__}: {problem}") from problem


def cannot_write(path: Path, problem: OSError, usage: type[UsageError] = UsageError) -> UsageError | StoreError:
    """The error of an output that cannot be written: the user's, who named it, unless the machine is out of means.

    >>> cannot_write(Path("page.html"), OSError(errno.EACCES, "Permission denied"))
    UsageError('cannot write page.html: Permission denied')
    >>> cannot_write(Path("page.html"), OSError(errno.ENOSPC, "No space left on device"))
    StoreError('cannot write page.html: No space left on device')
    """
    said = f"cannot write {path}: {problem.strerror or problem}"
    return StoreError(said) if problem.errno in OUT_OF_MEANS else usage(said)


def nearest(word: str, known: list[str] | tuple[str, ...]) -> str:
    """The end of an error message for an unknown `word`: a near match, or what there is.

    >>> nearest("dokcer", ["docker", "process"])
    "did you mean 'docker'?"
    >>> nearest("x", ["docker", "process"])
    'known: docker, process'
    """
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return "known: " + (", ".join(sorted(known)) or "none")
