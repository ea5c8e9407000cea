"""What training does while sandbox or provider fail for a share of the episodes, whatever the agent does.

The faults come in as a plugin's: a sandbox and a provider of its own, around the real ones. A sandbox fails while it
opens a session or in the first call to it; a provider fails at an episode's first question.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final

from sandmle.core.contracts.sandbox import Sandbox, SandboxSession
from sandmle.core.engine.advantage import Estimator, Verdict, group_advantages
from sandmle.core.engine.store import FAILURES, read_episodes
from sandmle.core.engine.toolkit import Toolkit, open_toolkit
from sandmle.core.errors import ProviderError, SandboxError, SandmleError
from sandmle.core.hooks.manager import Plugins
from sandmle.core.hooks.registry import Kind, Registered, Registry, Spec
from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.message import Message, ModelReply, ReplyOptions
from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.trainers.local.config import LocalTrainerConfig
from sandmle.plugins.trainers.local.loop import run_grpo
from training_parts.world import CONFIG, World

RATES: Final = (0.01, 0.1, 0.5)
SOURCE: Final = "faults"
DRAWS: Final = 4000
"""Of which episodes fail, to tell the advantages' bias on the rewards that were measured."""


class FaultySandbox:
    """The real sandbox, of whose sessions some break."""

    def __init__(self, sandbox: Sandbox, rate: float, rng: random.Random) -> None:
        self._sandbox, self._rate, self._rng = sandbox, rate, rng
        self.name = sandbox.name

    @property
    def level(self) -> Any:
        """As that of the real one."""
        return self._sandbox.level

    async def start(self) -> None:
        """Pass on."""
        await self._sandbox.start()

    @asynccontextmanager
    async def session(self, *, public_dir: Path | None, limits: SandboxLimits) -> AsyncIterator[Any]:
        """Break here, or give a session that breaks, or a sound one."""
        fails, early = self._rng.random() < self._rate, self._rng.random() < 0.5
        if fails and early:
            raise SandboxError("injected: no session can be had")
        async with self._sandbox.session(public_dir=public_dir, limits=limits) as session:
            yield BreakingSession(session) if fails else session

    async def check_health(self) -> None:
        """Pass on."""
        await self._sandbox.check_health()

    async def close(self) -> None:
        """Pass on."""
        await self._sandbox.close()


class BreakingSession:
    """Breaks in the first call that needs the machinery."""

    def __init__(self, session: SandboxSession) -> None:
        self._session = session
        self.end = session.end

    async def run(self, code: str, timeout_s: float) -> Any:
        """Break."""
        raise SandboxError("injected: the session's process is gone")

    async def fetch(self, path: str, max_bytes: int) -> Any:
        """Break."""
        raise SandboxError("injected: the work directory cannot be read")

    async def fetch_tree(self, path: str, max_bytes: int, max_files: int) -> Any:
        """Break."""
        raise SandboxError("injected: the work directory cannot be read")


class FaultyProvider:
    """The real provider, whose models fail some first questions."""

    def __init__(self, provider: Any, rate: float, rng: random.Random) -> None:
        self._provider, self._rate, self._rng = provider, rate, rng

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    def open_codec(self, model: str) -> Any:
        """Pass on."""
        return self._provider.open_codec(model)

    def open_model(self, model: str) -> Any:
        """Open it, and make it fail."""
        opened = self._provider.open_model(model)
        real = opened.reply

        async def reply(messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
            # Canaries ask without a system's or a task's long words; only episodes are failed.
            first = all(message.role != "assistant" for message in messages)
            episode = sum(len(message.content) for message in messages) > 200
            if first and episode and self._rng.random() < self._rate:
                raise ProviderError("injected: the provider does not answer")
            return await real(messages, options)

        opened.reply = reply
        return opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is played."""

    steps: int
    tasks: int
    group_size: int


async def measure(world: World, folder: Path, size: Size) -> list[dict[str, Any]]:
    """One row for each kind and rate of faults, the sound run first."""
    rows = [await _train(world, folder / "sound", size, "none", 0.0)]
    rewards = _groups_of(folder / "sound")
    for kind in ("sandbox", "provider"):
        for rate in RATES:
            row = await _train(world, folder / f"{kind}{rate}", size, kind, rate)
            rows.append({**row, **bias(rewards, rate)})
    return rows


def bias(groups: Sequence[Sequence[float]], rate: float) -> dict[str, float | None]:
    """What advantages come to when each episode of these groups fails with probability `rate`.

    A group whose survivors have equal rewards is dropped, that is, their advantages are 0; one of which less
    than half survives is played on, so that it is none of these draws.

    Returns:
        Mean over draws, groups and episodes that did not fail of the advantage less the one without faults: of ours
        (mean only) with its standard error, and were a failure a reward of 0. None where no group has any variance.
    """
    rng = random.Random(7)
    ours: list[float] = []
    zeros: list[float] = []
    teaching = [one for one in groups if group_advantages(one, Estimator.DR_GRPO).verdict is Verdict.KEPT]
    for _ in range(DRAWS):
        for rewards in teaching:
            alive = [rng.random() >= rate for _ in rewards]
            if 2 * sum(alive) < len(rewards):
                continue
            sound = _advantages(rewards)
            for failed, into in ((None, ours), (0.0, zeros)):
                found = _advantages([one if there else failed for one, there in zip(rewards, alive, strict=True)])
                pairs = zip(found, sound, alive, strict=True)
                into.append(fmean(now - before for now, before, there in pairs if there))
    if len(ours) < 2:
        return {"bias": None, "bias_standard_error": None, "bias_if_failures_were_zero": None}
    return {
        "bias": fmean(ours),
        "bias_standard_error": stdev(ours) / len(ours) ** 0.5,
        "bias_if_failures_were_zero": fmean(zeros),
    }


def unbiased(rows: Sequence[dict[str, Any]]) -> bool | None:
    """Whether every bias is within four standard errors of 0; None where none could be measured."""
    known = [row for row in rows if row.get("bias") is not None]
    return all(abs(row["bias"]) <= 4 * row["bias_standard_error"] + 1e-9 for row in known) if known else None


def _advantages(rewards: Sequence[float | None]) -> list[float]:
    return [one or 0.0 for one in group_advantages(rewards, Estimator.DR_GRPO).advantages]


async def _train(world: World, folder: Path, size: Size, kind: str, rate: float) -> dict[str, Any]:
    toolkit = faulty_toolkit(world, kind, rate)
    grpo = {
        "steps": size.steps,
        "tasks_per_step": size.tasks,
        "group_size": size.group_size,
        "minibatches": 1,
        "estimator": "dr_grpo",
        "evaluate_every": 0,
        "warmup_steps": 0,
        "reward_canary": False,
    }
    config = LocalTrainerConfig.model_validate({"policy": world.policy, "grpo": grpo})
    stopped, metrics = None, []
    try:
        summary = await run_grpo(
            toolkit, config, tasks=world.tasks, out=folder, drain=asyncio.Event(), tell=lambda line: None
        )
        metrics = summary.metrics
    except SandmleError as problem:
        stopped = str(problem)
    return {"faults": kind, "rate": rate, "stopped": stopped, **_row(folder, metrics)}


def faulty_toolkit(world: World, kind: str, rate: float) -> Toolkit:
    """The program's toolkit with a plugin in it that breaks things."""
    words = world.words(run__concurrency=16, run__infrastructure_retries=0)
    base = open_toolkit(file=CONFIG, overrides=words)
    rng = random.Random(f"{kind} {rate}")
    replaced: dict[tuple[Kind, str], Any] = {}
    if kind == "sandbox":
        spec = base.registry.spec(Kind.SANDBOX, base.settings.run.sandbox)
        replaced[Kind.SANDBOX, spec.name] = (spec, lambda config: FaultySandbox(spec.make(config), rate, rng))
    if kind == "provider":
        spec = base.registry.spec(Kind.LLM, "local")
        replaced[Kind.LLM, spec.name] = (spec, lambda config: FaultyProvider(spec.make(config), rate, rng))
    entries = {(one.kind, one.spec.name): one for one in base.registry}
    for key, (spec, make) in replaced.items():
        broken = Spec(name=spec.name, summary=spec.summary, make=make, config=spec.config)
        entries[key] = Registered(kind=key[0], spec=broken, source=SOURCE)
    plugins = Plugins(manager=base.plugins.manager, registry=Registry(entries))
    return Toolkit(plugins=plugins, settings=base.settings)


def _row(folder: Path, metrics: Sequence[dict[str, Any]]) -> dict[str, Any]:
    episodes = [one for run in sorted(folder.glob("steps/*")) for one in read_episodes(run)]
    return {
        "steps": len(metrics),
        "updates": sum(line["loss"] is not None for line in metrics),
        "episodes": len(episodes),
        "left_out": sum(one.outcome is Outcome.INFRASTRUCTURE for one in episodes),
        "groups": sum(line["groups"] for line in metrics),
        "kept_groups": sum(line["kept_groups"] for line in metrics),
        "reward": fmean(line["reward"] for line in metrics) if metrics else None,
        "rate_by_action": rates_by_action(folder, episodes),
    }


def rates_by_action(folder: Path, episodes: Sequence[Episode]) -> dict[str, float]:
    """Failures for each action begun of a kind; `none` is before an episode's first, of which there is one in each."""
    failed: Counter[str] = Counter()
    for file in folder.glob(f"steps/*/{FAILURES}"):
        failed.update(json.loads(line)["after"] for line in file.read_text("utf-8").splitlines())
    done = Counter(step.action.kind.value for episode in episodes for step in episode.trajectory.steps)
    begun = {**done, "none": len(episodes)}
    return {kind: failed[kind] / max(1, begun.get(kind, 0) + failed[kind] * (kind != "none")) for kind in failed}


def _groups_of(folder: Path) -> list[list[float]]:
    groups: dict[tuple[str, str], list[float]] = {}
    for run in sorted(folder.glob("steps/*")):
        for episode in read_episodes(run):
            if episode.reward is not None and episode.reward.total is not None:
                groups.setdefault((run.name, episode.task_id), []).append(episode.reward.total)
    return list(groups.values())
