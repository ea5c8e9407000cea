"""`sandmle doctor --training` for the local trainer: its canaries, on this machine, with a given policy or one made up.

The policy is changed in memory only; nothing of it is written.
"""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import torch

from sandmle.core.contracts.policy import AdapterShape, TrainablePolicy
from sandmle.core.engine.crews import open_chat_model
from sandmle.core.engine.doctor import Finding
from sandmle.core.engine.store import EPISODES, read_episodes
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.engine.training import training_sequences
from sandmle.core.errors import ConfigError, SandmleError
from sandmle.core.types.episode import Outcome
from sandmle.plugins.trainers.canaries.asking import ChatEngine
from sandmle.plugins.trainers.canaries.masks import MaskReport, audit_masks
from sandmle.plugins.trainers.canaries.templates import check_template
from sandmle.plugins.trainers.canaries.toy import QUESTION, SHAPE, check_reward
from sandmle.plugins.trainers.local.batches import Weighted, micro_batches
from sandmle.plugins.trainers.local.canary import PolicyCanary, trained_rows
from sandmle.plugins.trainers.local.config import LocalTrainerConfig
from sandmle.plugins.trainers.local.guarding import decode_of, toy_learner
from sandmle.plugins.trainers.local.loop import run_grpo
from sandmle.plugins.trainers.local.policies import PROVIDER, open_policy, policy_provider

NUDGE: Final = 0.02
"""Standard deviation of what is added to every weight of the adapter, as an update would change it."""
ADAPTER: Final = AdapterShape(rank=8, alpha=16.0)
"""Of the adapter put on a policy that has none."""
STEPS: Final = "steps"
"""Folder of a training run in which each step's episodes lie."""


class Examination:
    """One look at everything."""

    def __init__(self, toolkit: Toolkit, config: LocalTrainerConfig, policy: Path | None, engine: str | None) -> None:
        """Look at one policy.

        Args:
            toolkit: whose providers, sandbox and settings are used.
            config: of the trainer.
            policy: directory of a checkpoint or of a training run; None takes the configured one, else a made-up one.
            engine: model string or directory of what writes rollouts, where that is not the policy itself.
        """
        self._toolkit = toolkit
        self._config = config
        self._given = policy or config.policy
        self._engine = f"{PROVIDER}/{engine}" if engine and Path(engine).is_dir() else engine
        self._temperature = toolkit.settings.run.temperature
        self._findings: list[Finding] = []
        self._audits: dict[str, MaskReport | None] = {}

    async def run(self) -> list[Finding]:
        """Every canary, one finding each; one that dies keeps none of the others from singing."""
        with tempfile.TemporaryDirectory(prefix="sandmle-doctor-") as folder:
            async with AsyncExitStack() as stack:
                policy = await self._opened(Path(folder) / "policy", stack)
                if policy is not None:
                    await self._look_at(policy, stack)
        await self._note("reward", self._reward)
        await self._note("mask", self._mask)
        return self._findings

    async def _opened(self, folder: Path, stack: AsyncExitStack) -> TrainablePolicy | None:
        policy: TrainablePolicy | None = None

        async def opened() -> str:
            nonlocal policy
            policy = await stack.enter_async_context(open_examined(self._toolkit, self._given, folder))
            adapter = "with" if hasattr(policy.module, "peft_config") else "without"
            made = "made up for this" if self._given is None else str(self._given)
            return f"{made}, {adapter} an adapter"

        await self._note("policy", opened)
        return policy

    async def _look_at(self, policy: TrainablePolicy, stack: AsyncExitStack) -> None:
        await self._note("template", lambda: self._template(policy))
        if self._engine is None:
            canary = PolicyCanary(policy, self._temperature)
            await self._note("weight sync", lambda: self._sync(canary, policy.name))
        else:
            await self._note("weight sync", lambda: self._sync_with(policy, stack))
        if self._engine is None:
            await self._note("weight sync after an update", lambda: self._updated(canary, policy))

    async def _template(self, policy: TrainablePolicy) -> str:
        if policy.unproven is not None:
            raise ConfigError(f"no mask can be proven under this checkpoint's chat template: {policy.unproven}")
        count = await check_template(policy, decode_of(self._toolkit, policy.name), self._temperature)
        return f"a conversation of three turns grew by concatenation to {count} ids"

    async def _sync(self, canary: PolicyCanary, engine: str) -> str:
        report = await canary.look()
        report.require(engine)
        return report.words(engine)

    async def _sync_with(self, policy: TrainablePolicy, stack: AsyncExitStack) -> str:
        engine = await stack.enter_async_context(open_chat_model(self._toolkit, self._engine or ""))
        canary = PolicyCanary(policy, self._temperature, ChatEngine(engine, self._temperature or 1.0))
        return await self._sync(canary, engine.name)

    async def _updated(self, canary: PolicyCanary, policy: TrainablePolicy) -> str:
        policy.add_adapter(ADAPTER, 0)
        nudge(policy, 1)
        return await self._sync(canary, policy.name)

    async def _reward(self) -> str:
        learn = toy_learner(self._config, run_grpo)

        async def watched(toolkit: Toolkit, policy: Path, tasks: Path, out: Path) -> Sequence[float | None]:
            rewards = await learn(toolkit, policy, tasks, out)
            self._audits["the toy"] = self._audit(out, f"{PROVIDER}/{policy}")
            return rewards

        report = await check_reward(self._toolkit, policy_provider(self._toolkit), watched)
        report.require()
        return f"rose from {report.rewards[0]:.2f} to {report.rewards[-1]:.2f} on a toy task"

    async def _mask(self) -> str | None:
        if self._given is not None:
            self._audits[str(self._given)] = self._audit(self._given, f"{PROVIDER}/{self._given}")
        told = []
        for name, report in self._audits.items():
            if report is None:
                told.append(f"{name} holds no stored episodes")
            else:
                report.require()
                told.append(f"{report.tokens} tokens of {report.rows} sequences of {name} are what the policy wrote")
        return "; ".join(told) or None

    def _audit(self, run: Path, model: str) -> MaskReport | None:
        """The episodes of a training run's last step; None where there are none."""
        stored = sorted(run.glob(f"{STEPS}/*/{EPISODES}"))
        if not stored:
            return None
        episodes = [one for one in read_episodes(stored[-1].parent) if one.outcome is not Outcome.INFRASTRUCTURE]
        items = [Weighted(sequence=one, advantage=0.0) for episode in episodes for one in training_sequences(episode)]
        rows = trained_rows(micro_batches(items, self._config.grpo.micro_batch_tokens, "cpu"))
        return audit_masks(rows, episodes, decode_of(self._toolkit, model))

    async def _note(self, name: str, canary: Callable[[], Awaitable[str | None]]) -> None:
        try:
            told = await canary()
        except SandmleError as problem:
            self._findings.append(Finding(name=name, verdict="failed", detail=str(problem)))
            return
        nothing = "there are no stored episodes to look at"
        self._findings.append(Finding(name=name, verdict="ok" if told else "absent", detail=told or nothing))


@asynccontextmanager
async def open_examined(toolkit: Toolkit, given: Path | None, folder: Path) -> AsyncIterator[TrainablePolicy]:
    """The policy that is looked at; without one, a tiny one is made up in `folder`, its adapter not empty.

    Raises:
        ConfigError: there is no usable checkpoint.
        PluginError: what opens is not trainable.
    """
    if given is None:
        policy_provider(toolkit).create_policy([QUESTION], SHAPE, 0, folder)
    async with open_policy(toolkit, f"{PROVIDER}/{given or folder}") as policy:
        if given is None:
            policy.add_adapter(ADAPTER, 0)
            nudge(policy, 0)
        yield policy


def nudge(policy: TrainablePolicy, rng_seed: int) -> None:
    """Change every weight of the adapter, in memory, as an update does, and say so."""
    generator = torch.Generator().manual_seed(rng_seed)
    with torch.no_grad():
        for name, parameter in policy.module.named_parameters():
            if ".lora_" in name:
                noise = NUDGE * torch.randn(parameter.shape, generator=generator)
                parameter.add_(noise.to(parameter.device, parameter.dtype))
    policy.weights_changed()
