"""Turns episodes into a better policy."""

from pathlib import Path
from typing import Protocol, runtime_checkable


@runtime_checkable
class Trainer(Protocol):
    """A training method with its engine."""

    async def train(self, tasks: Path, out: Path) -> None:
        """Train on the task directories under `tasks`; write checkpoints and records under `out`.

        The same call with the same `out` resumes.

        Raises:
            UsageError: the configuration or the tasks cannot be used.
            InfrastructureError: the machinery failed; what was written can be resumed from.
        """
        ...
