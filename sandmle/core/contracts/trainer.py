"""Turns episodes into a better policy."""

import asyncio
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Trainer(Protocol):
    """A training method with its engine."""

    async def train(self, toolkit: Any, tasks: Path, out: Path, drain: asyncio.Event) -> None:
        """Train on the task directories under `tasks`; write checkpoints and records under `out`.

        The same call with the same `out` resumes.

        Args:
            toolkit: the `Toolkit`, whose plugins and settings episodes are played with.
            tasks: folder of training task directories.
            out: the output directory.
            drain: once set, what is under way is finished and nothing new is started.

        Raises:
            UsageError: the configuration or the tasks cannot be used.
            InfrastructureError: the machinery failed; what was written can be resumed from.
        """
        ...
