"""The canaries of one training run: what they look at, and when."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from sandmle.core.contracts.policy import CodecProvider, TrainablePolicy
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import PluginError
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.episode import Episode
from sandmle.plugins.trainers.canaries.masks import Decode, audit_masks
from sandmle.plugins.trainers.canaries.templates import check_template
from sandmle.plugins.trainers.canaries.toy import GROUP_SIZE, RATE, STEPS, Learn
from sandmle.plugins.trainers.local.batches import MicroBatch
from sandmle.plugins.trainers.local.canary import PolicyCanary, trained_rows
from sandmle.plugins.trainers.local.config import LocalTrainerConfig
from sandmle.plugins.trainers.local.policies import PROVIDER


class Guard:
    """Stops a run whose canaries die."""

    def __init__(self, toolkit: Toolkit, policy: TrainablePolicy) -> None:
        self._policy = policy
        self._temperature = toolkit.settings.run.temperature
        self._canary = PolicyCanary(policy, self._temperature)
        self._decode = decode_of(toolkit, policy.name)

    async def begin(self) -> None:
        """Before the first episode: template and sync.

        Raises:
            PluginError: something is wrong; the message says what.
            ProviderError: the policy failed.
        """
        await check_template(self._policy, self._decode, self._temperature)
        await self._canary.check()

    async def synced(self) -> float:
        """After every update; gives the largest difference in nats of one token.

        Raises:
            PluginError: what generates is not what was trained.
            ProviderError: the policy failed.
        """
        return await self._canary.check()

    def audit(self, batches: Iterable[MicroBatch], episodes: Sequence[Episode]) -> None:
        """Before an update: what its batches train, held against the step's stored episodes.

        Raises:
            PluginError: something is trained that the policy did not write.
        """
        audit_masks(trained_rows(batches), episodes, self._decode).require()


def decode_of(toolkit: Toolkit, model: str) -> Decode:
    """How ids of a local policy are read.

    Raises:
        PluginError: its provider cannot tell.
    """
    provider = toolkit.make(Kind.LLM, PROVIDER)
    if not isinstance(provider, CodecProvider):
        raise PluginError(f"llm provider {PROVIDER!r} opens no codecs: what is trained cannot be read")
    return provider.open_codec(model).decode


def toy_learner(config: LocalTrainerConfig, run: Callable[..., Awaitable[Any]]) -> Learn:
    """The trainer as it is configured, but for the size of things, for the reward canary's toy.

    Args:
        config: of the run that the canary comes before.
        run: `loop.run_grpo`.
    """
    small: dict[str, Any] = {
        "steps": STEPS,
        "tasks_per_step": 1,
        "group_size": GROUP_SIZE,
        "rank": 8,
        "alpha": 16.0,
        "learning_rate": RATE,
        "warmup_steps": 0,
        "decay_from": 1.0,
        "minibatches": 1,
        "epochs": 1,
        "kl": 0.0,
        "stale_steps": 0,
        "refills": 0,
        "evaluate_every": 0,
        "keep_checkpoints": 1,
        "reward_canary": False,
    }

    async def learn(toolkit: Toolkit, policy: Path, tasks: Path, out: Path) -> Sequence[float | None]:
        grpo = config.grpo.model_copy(update=small)
        toy = config.model_copy(update={"policy": policy, "validation": None, "grpo": grpo})
        summary = await run(toolkit, toy, tasks=tasks, out=out, drain=asyncio.Event(), tell=lambda line: None)
        return [line["reward"] for line in summary.metrics]

    return learn
