"""Opens what episodes are played with: model, scaffold, sandbox, grader, reward, rules."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from sandmle.core.contracts.llm import ChatModel
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.contracts.scaffold import EpisodeLimits, Scaffold, needed_actions
from sandmle.core.engine.attempt import Crew
from sandmle.core.engine.deadlines import closed_in_the_end, deadline, see_through
from sandmle.core.engine.environment import Rules
from sandmle.core.engine.grading import LocalGrader
from sandmle.core.engine.leases import Leases
from sandmle.core.engine.recording import Sampling
from sandmle.core.engine.scoring import open_preset
from sandmle.core.engine.settings import RunSettings
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, ProviderError, SandboxError
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.sandbox import SandboxLimits
from sandmle.core.types.trajectory import ActionKind

START_DEADLINE_S: Final = 300.0
"""Launching and probing a sandbox; pulling nothing."""
CLOSE_DEADLINE_S: Final = 60.0


def check_names(toolkit: Toolkit) -> None:
    """See that what `[run]` names is there and configured well, without starting any of it.

    Raises:
        ConfigError: it is not.
        PluginError: it needs a package that is not installed.
    """
    settings = toolkit.settings.run
    open_preset(toolkit, settings.reward)
    make_scaffold(toolkit)
    toolkit.make(Kind.SANDBOX, settings.sandbox)


def make_scaffold(toolkit: Toolkit) -> Scaffold:
    """The scaffold that `[run]` names.

    Raises:
        ConfigError: unknown, configured badly, or it needs an action that `[run]` withholds.
        PluginError: it needs a package that is not installed.
    """
    settings = toolkit.settings.run
    scaffold: Scaffold = toolkit.make(Kind.SCAFFOLD, settings.scaffold)
    lacking = sorted(needed_actions(scaffold) & _withheld(settings))
    if lacking:
        raise ConfigError(
            f"scaffold {settings.scaffold!r} needs the action {lacking[0].value!r}, which this environment does not "
            f"offer; take {lacking[0].value!r} out of run.withheld_actions, or another scaffold "
            "(`sandmle scaffolds show NAME` says what each needs)"
        )
    return scaffold


@asynccontextmanager
async def open_chat_model(toolkit: Toolkit, name: str) -> AsyncIterator[ChatModel]:
    """A model by its name, closed in the end.

    Raises:
        ConfigError: no such model, or it lacks a key.
    """
    model = toolkit.open_model(name)
    async with closed_in_the_end(model.close, CLOSE_DEADLINE_S, ProviderError, f"closing model {name!r}"):
        lacks: str | None = getattr(model, "lacks", None)
        if lacks is not None:
            # Every reply would fail, and all episodes be left out as if the machinery had failed them.
            raise ConfigError(f"model {name!r} cannot be asked: {lacks}")
        yield model


@asynccontextmanager
async def open_crew(toolkit: Toolkit, model: ChatModel) -> AsyncIterator[Crew]:
    """Everything that `[run]` names, started, to play episodes with `model`; closed in the end.

    Raises:
        ConfigError: a name or section cannot be used.
        SandboxError: the sandbox cannot be started.
    """
    settings = toolkit.settings.run
    preset = open_preset(toolkit, settings.reward)
    scaffold = make_scaffold(toolkit)
    sandbox: Sandbox = toolkit.make(Kind.SANDBOX, settings.sandbox)
    async with AsyncExitStack() as stack:
        yield Crew(
            model=model,
            scaffold=scaffold,
            sandbox=await started(sandbox, stack),
            grader=_open_grader(stack),
            preset=preset,
            rules=_rules(settings),
            sampling=_sampling(settings),
            leases=Leases(
                cells=settings.cells_at_once, starts=settings.starts_at_once, starts_per_s=settings.starts_per_s
            ),
        )


def _rules(settings: RunSettings) -> Rules:
    limits = EpisodeLimits(
        max_turns=settings.max_turns,
        cell_timeout_s=settings.cell_timeout_s,
        episode_timeout_s=settings.episode_timeout_s,
        max_scored_submissions=settings.max_scored_submissions,
    )
    return Rules(
        feedback=settings.feedback,
        limits=limits,
        sandbox_limits=SandboxLimits(
            memory_mb=settings.memory_mb, workdir_mb=settings.workdir_mb, processes=settings.processes
        ),
        withheld=_withheld(settings),
    )


def _withheld(settings: RunSettings) -> frozenset[ActionKind]:
    return frozenset(map(ActionKind, settings.withheld_actions))


def _sampling(settings: RunSettings) -> Sampling:
    return Sampling(
        rng_seed=settings.rng_seed,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        llm_timeout_s=settings.llm_timeout_s,
    )


async def started(sandbox: Sandbox, stack: AsyncExitStack) -> Sandbox:
    """The sandbox, started, and closed with the stack.

    Raises:
        SandboxError: it cannot be started.
    """
    # close() is registered first: a sandbox that started half has processes to be ended, too.
    closing = closed_in_the_end(sandbox.close, CLOSE_DEADLINE_S, SandboxError, f"closing sandbox {sandbox.name!r}")
    await stack.enter_async_context(closing)
    async with deadline(START_DEADLINE_S, SandboxError, f"starting sandbox {sandbox.name!r}"):
        await sandbox.start()
    return sandbox


def _open_grader(stack: AsyncExitStack) -> LocalGrader:
    grader = LocalGrader()
    stack.push_async_callback(lambda: see_through(grader.close(), CLOSE_DEADLINE_S))
    return grader
