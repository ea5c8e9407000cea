"""The local trainer behind the `Trainer` contract."""

import asyncio
import logging
from pathlib import Path

from sandmle.core.engine.doctor import Finding
from sandmle.core.engine.toolkit import Toolkit
from sandmle.plugins.trainers.local.config import LocalTrainerConfig
from sandmle.plugins.trainers.local.examining import Examination
from sandmle.plugins.trainers.local.loop import run_grpo

log = logging.getLogger(__name__)


class LocalTrainer:
    """Trajectory-wise GRPO in this process."""

    def __init__(self, config: LocalTrainerConfig) -> None:
        self._config = config

    async def examine(self, toolkit: Toolkit, policy: Path | None, engine: str | None) -> list[Finding]:
        """Run the canaries on this machine; see `sandmle.core.engine.doctor.Guarded`."""
        return await Examination(toolkit, self._config, policy, engine).run()

    async def train(self, toolkit: Toolkit, tasks: Path, out: Path, drain: asyncio.Event) -> None:
        """Train the configured policy on the task directories under `tasks`; the same call resumes."""
        await run_grpo(toolkit, self._config, tasks=tasks, out=out, drain=drain, tell=log.info)
