"""The distributed trainer behind the `Trainer` contract."""

import asyncio
import logging
from pathlib import Path

from sandmle.core.engine.doctor import Finding
from sandmle.core.engine.toolkit import Toolkit
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
from sandmle.plugins.trainers.openrlhf.examining import examine_sending
from sandmle.plugins.trainers.openrlhf.launch import run_openrlhf

log = logging.getLogger(__name__)


class OpenRlhfTrainer:
    """Trajectory-wise GRPO on Ray, in processes that this one starts and watches."""

    def __init__(self, config: OpenRlhfConfig) -> None:
        self._config = config

    async def examine(self, toolkit: Toolkit, policy: Path | None, engine: str | None) -> list[Finding]:
        """Look at what would be sent to the rollout engines; see `sandmle.core.engine.doctor.Guarded`."""
        # Where the engine is given, the local trainer's canaries look at it.
        return [] if engine else await examine_sending(toolkit, policy)

    async def train(self, toolkit: Toolkit, tasks: Path, out: Path, drain: asyncio.Event) -> None:
        """Train the configured policy on the task directories under `tasks`; the same call resumes."""
        await run_openrlhf(toolkit, self._config, tasks=tasks, out=out, drain=drain, tell=log.info)
