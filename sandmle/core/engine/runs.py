"""One whole run: everything it needs is opened, the rollout fills the run directory, everything is closed."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sandmle.core.contracts.benchmark import Benchmark, Hosting, SelfGrading
from sandmle.core.contracts.llm import ChatModel
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.engine.announcing import announcing
from sandmle.core.engine.attempt import Crew
from sandmle.core.engine.budget import Budget, Cap, Caps
from sandmle.core.engine.crews import CLOSE_DEADLINE_S, check_names, open_chat_model, open_crew, started
from sandmle.core.engine.deadlines import see_through
from sandmle.core.engine.rollout import Plan, Rollout
from sandmle.core.engine.settings import BudgetSettings, RunSettings
from sandmle.core.engine.store import open_store, read_charges
from sandmle.core.engine.summary import RunSummary, summarize_run
from sandmle.core.engine.tasks import Task, read_task
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, TaskError
from sandmle.core.hooks.events import Event, LevelLowered, RunFinished, RunStarted
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.episode import Outcome
from sandmle.core.types.trajectory import FeedbackMode

_PLAYING: Final = (Kind.LLM, Kind.SANDBOX, Kind.SCAFFOLD, Kind.MILESTONE)
"""Kinds whose plugin sections decide what an episode is. Where tasks lie does not: their hashes are compared."""

_FREE: Final = {"trackers", "concurrency", "cells_at_once", "starts_at_once", "starts_per_s"}
"""Settings that may differ when a run is resumed: they change who watches and how fast, not what an episode is."""


async def run_tasks(toolkit: Toolkit, out: Path, drain: asyncio.Event) -> RunSummary:
    """Run the configured agent on the configured benchmark; the same call on the same directory resumes.

    Args:
        toolkit: plugins and settings; `[run]` says what is run.
        out: the run directory.
        drain: once set, what is under way is finished and nothing new is started.

    Raises:
        UsageError: a name, the configuration, a task or the directory cannot be used.
        InfrastructureError: the machinery cannot be started, or failed too often in a row.
        PluginError: a plugin failed in its own code.
    """
    toolkit = with_possible_feedback(toolkit)
    settings = toolkit.settings.run
    tasks = load_tasks(toolkit)
    check_names(toolkit)
    trackers = {name: toolkit.make(Kind.TRACKER, name) for name in settings.trackers}
    plan = _plan(settings, tasks, out)
    expected = len(tasks) * settings.group_size
    caps = caps_of(toolkit.settings.budget)
    budget_problems: tuple[str, ...] = ()
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(open_chat_model(toolkit, settings.model))
        check_prices(model, caps)
        store = stack.enter_context(open_store(out, record_of(toolkit, tasks)))
        store.forget_left_out()
        announcer = stack.enter_context(announcing(toolkit, store.add_event, trackers))
        announcer.emit(RunStarted(run_id=plan.run_id, episodes=expected, done=len(store.done)))
        if len(store.done) < expected:
            crew = await stack.enter_async_context(open_crew(toolkit, model))
            crew = replace(crew, budget=Budget(caps, read_charges(out), store.add_charge))
            crew = await _with_the_benchmarks_own(toolkit, crew, stack)
            _tell_of_its_level(crew.sandbox, plan.run_id, announcer.emit)
            rollout = Rollout(crew, plan, store, announcer.emit)
            await rollout.run(drain)
            budget_problems = rollout.budget_problems
        summary = summarize_run(
            out,
            expected=expected,
            interrupted=drain.is_set(),
            reward=settings.reward,
            budget_problems=budget_problems,
        )
        left_out = summary.outcomes.get(Outcome.INFRASTRUCTURE.value, 0)
        announcer.emit(RunFinished(run_id=plan.run_id, episodes=summary.episodes, infrastructure=left_out))
    return summary


def with_possible_feedback(toolkit: Toolkit) -> Toolkit:
    """The toolkit with a feedback mode that its benchmark can give.

    A benchmark without a public board says so by an attribute `public_board` that is false. Submissions are then
    only checked for their format, unless the configuration names another mode.

    Raises:
        ConfigError: it names the public board.
    """
    settings = toolkit.settings.run
    if settings.feedback is not FeedbackMode.PUBLIC_BOARD:
        return toolkit
    if getattr(toolkit.make(Kind.BENCHMARK, settings.benchmark), "public_board", True):
        return toolkit
    if "run.feedback" in toolkit.resolved.origin:
        raise ConfigError(
            f"benchmark {settings.benchmark!r} scores on one set of answers, so there is no public board to tell the "
            "agent of: take --feedback validate_only, or full, which shows the score on the test answers and is no "
            "fair evaluation"
        )
    return toolkit.override({"run.feedback": FeedbackMode.VALIDATE_ONLY.value})


def load_tasks(toolkit: Toolkit) -> list[Task]:
    """The tasks of the configured benchmark, read.

    Raises:
        UsageError: the benchmark or one of its tasks cannot be used, or two tasks have one id.
        PluginError: a plugin's benchmark failed in its own code.
    """
    name = toolkit.settings.run.benchmark
    benchmark: Benchmark = toolkit.make(Kind.BENCHMARK, name)
    with toolkit.registry.blaming(Kind.BENCHMARK, name, "cannot list its tasks"):
        folders = tuple(benchmark.task_dirs())
    found: dict[str, Task] = {}
    for path in folders:
        task = read_task(path)
        taken = found.setdefault(task.spec.task_id, task)
        if taken is not task:
            raise TaskError(f"two tasks have the id {task.spec.task_id!r}: {taken.layout.root} and {path}; remove one")
    return list(found.values())


def record_of(toolkit: Toolkit, tasks: Sequence[Task]) -> dict[str, Any]:
    """What must not change between two starts of a run."""
    settings = toolkit.settings
    presets = settings.reward.presets
    # Runs that were started before anything could be withheld withheld nothing.
    unsaid = _FREE if settings.run.withheld_actions else _FREE | {"withheld_actions"}
    return {
        "run": settings.run.model_dump(mode="json", exclude=unsaid),
        "reward": {"presets": {settings.run.reward: dict(presets[settings.run.reward])}},
        "plugin": {kind.value: toolkit.lasting_sections(kind) for kind in _PLAYING if kind.value in settings.plugin},
        **_episode_caps(settings.budget),
        "tasks": {task.spec.task_id: hashlib.sha256(task.layout.spec.read_bytes()).hexdigest() for task in tasks},
    }


def caps_of(settings: BudgetSettings) -> Caps:
    """The caps that `[budget]` sets."""
    return Caps(
        episode=Cap(tokens=settings.episode_tokens, usd=settings.episode_usd),
        task=Cap(tokens=settings.task_tokens, usd=settings.task_usd),
        run=Cap(tokens=settings.run_tokens, usd=settings.run_usd),
    )


def check_prices(model: ChatModel, caps: Caps) -> None:
    """See that a cap on money can be kept: a model that does not know its price has an attribute `priced` of false.

    Raises:
        ConfigError: there is such a cap, and no price.
    """
    if caps.need_prices and not getattr(model, "priced", True):
        raise ConfigError(
            f"a cap in USD needs to know what {model.name} costs, and no price is listed for it; set "
            f"usd_per_million_prompt_tokens and usd_per_million_completion_tokens under "
            f'[plugin.llm.litellm.models."{model.name}"], or cap tokens instead'
        )


async def _with_the_benchmarks_own(toolkit: Toolkit, crew: Crew, stack: AsyncExitStack) -> Crew:
    """The crew with the grader and the sandbox that the benchmark brings, if it brings any."""
    benchmark = toolkit.make(Kind.BENCHMARK, toolkit.settings.run.benchmark)
    if isinstance(benchmark, SelfGrading):
        grader = benchmark.open_grader()
        stack.push_async_callback(lambda: see_through(grader.close(), CLOSE_DEADLINE_S))
        crew = replace(crew, grader=grader)
    if isinstance(benchmark, Hosting) and (sandbox := benchmark.open_sandbox()) is not None:
        crew = replace(crew, sandbox=await started(sandbox, stack))
    return crew


def _tell_of_its_level(sandbox: Sandbox, run_id: str, emit: Callable[[Event], None]) -> None:
    """A sandbox that was to isolate more strongly than it does says why by an attribute `weaker_because`."""
    reasons: tuple[str, ...] = getattr(sandbox, "weaker_because", ())
    if reasons:
        emit(LevelLowered(run_id=run_id, sandbox=sandbox.name, level=sandbox.level.value, reasons=reasons))


def _episode_caps(settings: BudgetSettings) -> dict[str, Any]:
    """What bounds one episode is part of what it is; what bounds many is not."""
    caps = {name: value for name, value in settings.model_dump(exclude_none=True).items() if name.startswith("episode")}
    return {"budget": caps} if caps else {}


def _plan(settings: RunSettings, tasks: Sequence[Task], out: Path) -> Plan:
    return Plan(
        run_id=out.resolve().name,
        tasks=tasks,
        group_size=settings.group_size,
        concurrency=settings.concurrency,
        infrastructure_retries=settings.infrastructure_retries,
    )
