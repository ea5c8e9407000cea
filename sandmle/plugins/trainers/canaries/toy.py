"""A task so small that a minute's policy learns it in seconds: sample even ids. Its reward must rise.

Everything but the question and the reward is real: episodes, sandbox, groups, advantages, losses, updates, sync.
"""

import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import pluggy

from sandmle.core.conformance.copying import copying_draft
from sandmle.core.contracts.policy import PolicyProvider, PolicyShape
from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.engine.settings import Settings
from sandmle.core.engine.tasks import write_task
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import PluginError
from sandmle.core.hooks import hookspecs
from sandmle.core.hooks.manager import Plugins
from sandmle.core.hooks.registry import BUILT_IN, Kind, Registered, Registry, Spec
from sandmle.core.types.episode import Episode
from sandmle.core.types.message import Message
from sandmle.core.types.trajectory import Action, ActionKind

NAME: Final = "canary"
QUESTION: Final = "Say something even."
SHAPE: Final = PolicyShape(
    layers=2, hidden=32, heads=2, key_value_heads=2, feed_forward=64, context_tokens=128, vocabulary=300
)
TOKENS: Final = 8
"""Of a reply; half of them are even at first, by chance."""
RATE: Final = 3e-2
"""Learning rate, with and without an adapter: what 30,000 parameters learn from in so few steps."""
STEPS: Final = 8
GROUP_SIZE: Final = 16
RISE: Final = 0.1
"""By which the mean reward of the last three steps must exceed that of the first two. A dozen seeds gave .3 to .5; a
policy that is not trained moves by .03, one deviation of such means."""

Learn = Callable[[Toolkit, Path, Path, Path], Awaitable[Sequence[float | None]]]
"""Trains with a toolkit a policy on tasks into a directory; gives the mean reward of every step."""


class EvenScaffold:
    """Asks once and ends."""

    name = NAME

    async def run(self, episode: EpisodeContext) -> None:
        await episode.ask([Message(role="user", content=QUESTION)])
        await episode.act(Action(kind=ActionKind.FINISH))

    def mermaid(self) -> str:
        """It has no graph."""
        return ""


class EvenShare:
    """The share of sampled ids that are even."""

    name = NAME

    def value(self, episode: Episode) -> float | None:
        replies = episode.trajectory.replies()
        ids = replies[0].sampled_ids if replies else None
        return fmean(token % 2 == 0 for token in ids) if ids else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyReport:
    """What came of the toy."""

    rewards: tuple[float, ...]
    """Mean of each step."""
    problem: str | None
    """None when the reward rose."""

    def require(self) -> None:
        """Go on only when the reward rose.

        Raises:
            PluginError: it did not.
        """
        if self.problem is not None:
            raise PluginError(f"reward canary: {self.problem}")


async def check_reward(toolkit: Toolkit, provider: PolicyProvider, learn: Learn) -> ToyReport:
    """Train a policy made on the spot for a few steps; look at its reward.

    Args:
        toolkit: whose sandbox, provider and settings of them are used.
        provider: makes the policy.
        learn: the trainer.

    Raises:
        SandmleError: whatever the trainer raises.
    """
    with tempfile.TemporaryDirectory(prefix="sandmle-canary-") as folder:
        root = Path(folder)
        provider.create_policy([QUESTION], SHAPE, 0, root / "policy")
        write_task(root / "tasks", copying_draft("canary-even", test_rows=2, train_rows=1, description=QUESTION))
        rewards = await learn(toy_toolkit(toolkit), root / "policy", root / "tasks", root / "out")
    return judge_rewards([one for one in rewards if one is not None])


def judge_rewards(rewards: Sequence[float]) -> ToyReport:
    """Whether rewards rose from the first two steps to the last three."""
    if len(rewards) < STEPS:
        problem = f"only {len(rewards)} of {STEPS} steps on the toy task had a reward"
        return ToyReport(rewards=tuple(rewards), problem=problem)
    first, last = fmean(rewards[:2]), fmean(rewards[-3:])
    if last - first >= RISE:
        return ToyReport(rewards=tuple(rewards), problem=None)
    way = "fell: what is rewarded is trained away" if last < first - RISE else "did not rise"
    problem = (
        f"on a toy task that any working trainer learns, the mean reward {way}, from {first:.2f} to {last:.2f} in "
        f"{len(rewards)} steps; look at the sign of advantages and loss, at whether updates reach the engine, and "
        "at the learning rate"
    )
    return ToyReport(rewards=tuple(rewards), problem=problem)


def toy_toolkit(toolkit: Toolkit) -> Toolkit:
    """The user's plugins and sections of them, with the toy's question and reward."""
    run, sandbox = toolkit.settings.run, toolkit.settings.run.sandbox
    settings = Settings.model_validate(
        {
            "run": {
                **run.model_dump(include={"infrastructure_retries", "llm_timeout_s", "memory_mb", "processes"}),
                "scaffold": NAME,
                "sandbox": sandbox,
                "reward": NAME,
                "rng_seed": 1,
                "group_size": GROUP_SIZE,
                "concurrency": GROUP_SIZE,
                "max_tokens": TOKENS,
                "max_turns": 1,
                "trackers": [],
            },
            "reward": {"presets": {NAME: {NAME: 1.0}}},
            "plugin": toolkit.settings.plugin,
        }
    )
    own: dict[Kind, Spec[Any]] = {
        Kind.SCAFFOLD: Spec(name=NAME, summary="asks once", make=lambda config: EvenScaffold()),
        Kind.MILESTONE: Spec(name=NAME, summary="share of even ids", make=lambda config: EvenShare()),
    }
    entries = {(one.kind, one.spec.name): one for one in toolkit.registry}
    entries |= {(kind, NAME): Registered(kind=kind, spec=spec, source=BUILT_IN) for kind, spec in own.items()}
    # Nobody is told of the toy's events: they are no part of the run that it comes before.
    nobody = pluggy.PluginManager(hookspecs.PROJECT)
    nobody.add_hookspecs(hookspecs)
    return Toolkit(plugins=Plugins(manager=nobody, registry=Registry(entries)), settings=settings)
