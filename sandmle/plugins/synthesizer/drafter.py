"""The built-in `Drafter`: opens models, sandbox and grader once, and plays the graph for every draft."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sandmle.core.contracts.llm import ChatModel
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.contracts.synthesis import Dossier, SynthRole
from sandmle.core.engine.crews import open_chat_model
from sandmle.core.engine.deadlines import see_through
from sandmle.core.engine.grading import LocalGrader
from sandmle.core.engine.role_budget import RoleBudget, RoleCaps, role_caps
from sandmle.core.engine.synthesis import Assignment, DraftOutcome, SynthesisResult, synthesize
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, nearest
from sandmle.core.hooks.events import DraftFinished
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.synthesis import TaskDraft
from sandmle.plugins.synthesizer.checks import CHECKS
from sandmle.plugins.synthesizer.graph import DraftGraph, build_graph
from sandmle.plugins.synthesizer.nodes import DraftContext
from sandmle.plugins.synthesizer.roles import BUILT_IN
from sandmle.plugins.synthesizer.scratch import sweep

CLOSE_DEADLINE_S: Final = 30.0
CACHE_NAME: Final = ".replies.sqlite"
_REMOTE: Final = "litellm"
_SHARED_OPTIONS: Final = frozenset({"script_timeout_s", "families", "metrics"})


class GraphDrafter:
    """Plays the synthesizer's graph once per draft."""

    def __init__(self, graph: DraftGraph, context: DraftContext) -> None:
        self.graph = graph
        self.context = context

    async def draft(self, assignment: Assignment) -> DraftOutcome:
        dossier = Dossier(
            seed=assignment.seed,
            index=assignment.index,
            rng_seed=assignment.rng_seed,
            accepted=assignment.titles,
            rules=self.context.rules,
        )
        context = replace(
            self.context,
            corpus_rng_seed=assignment.corpus_rng_seed,
            accepted_before=assignment.accepted_before,
            budget=assignment.budget,
        )
        state = await self.graph.ainvoke({"dossier": dossier}, context=context)
        tries = state.get("tries", {})
        if "problem" in state:
            return DraftOutcome(tries=tries, problem=state["problem"])
        return DraftOutcome(tries=tries, task=_passed(state["task"]))


def _passed(task: TaskDraft) -> TaskDraft:
    return replace(task, spec=task.spec.model_copy(update={"checks_passed": tuple(CHECKS)}))


@asynccontextmanager
async def open_drafter(toolkit: Toolkit) -> AsyncIterator[GraphDrafter]:
    """Open everything drafts need and close it again, whatever happens.

    Raises:
        ConfigError: an unknown role, model or sandbox; or a built-in role is missing from the list.
        SandboxError: the sandbox cannot run here.
    """
    settings = toolkit.settings.synthesis
    _check_roles(settings.roles, toolkit.registry.names(Kind.ROLE))
    roles = {name: make_role(toolkit, name) for name in settings.roles}
    brought = toolkit.registry.names(Kind.RULE)
    rules = tuple(toolkit.make(Kind.RULE, name) for name in settings.families if name in brought)
    sandbox: Sandbox = toolkit.make(Kind.SANDBOX, settings.sandbox)
    sweep()
    async with AsyncExitStack() as stack:
        models = await _open_models(toolkit, stack)
        _check_prices(models, role_caps(toolkit.settings.budget, settings.roles))
        grader = LocalGrader()
        stack.push_async_callback(_close, grader.close)
        # Before start(): a half-started sandbox has to be closed too.
        stack.push_async_callback(_close, sandbox.close)
        await sandbox.start()
        context = DraftContext(
            roles=roles,
            models=models,
            sandbox=sandbox,
            grader=grader,
            settings=settings,
            corpus_rng_seed=0,
            judge=toolkit.plugins.check_task,
            accepted_before=_nothing_accepted,
            budget=RoleBudget(),
            rules=rules,
        )
        yield GraphDrafter(build_graph(settings.roles), context)


async def make_corpus(
    toolkit: Toolkit,
    out: Path,
    wanted: int,
    rng_seed: int,
    *,
    drain: asyncio.Event | None = None,
    on_event: Callable[[DraftFinished], None] | None = None,
) -> SynthesisResult:
    """Make a corpus of `wanted` tasks in `out`, or go on with it: what `sandmle synth` does.

    Raises:
        UsageError: configuration or folder cannot be used.
        InfrastructureError: the sandbox, the provider or the grader failed, retries included.
    """
    toolkit = keeping_replies(toolkit, out)
    async with open_drafter(toolkit) as drafter:
        return await synthesize(
            toolkit, drafter, out=out, wanted=wanted, rng_seed=rng_seed, drain=drain, on_event=on_event
        )


def keeping_replies(toolkit: Toolkit, out: Path) -> Toolkit:
    """Have remote models' replies kept with the corpus, so that what a kill interrupts is not paid for twice.

    A cache that the configuration names stays; an empty name keeps none.
    """
    settings = toolkit.settings
    providers = toolkit.registry.names(Kind.LLM)
    wanted = {settings.synthesis.model, *settings.synthesis.role_models.values()}
    remote = any(model.partition("/")[0] not in providers or model.startswith(f"{_REMOTE}/") for model in wanted)
    if not remote or _REMOTE not in providers or "cache" in settings.options(Kind.LLM.value, _REMOTE):
        return toolkit
    return toolkit.override({f"plugin.{Kind.LLM}.{_REMOTE}.cache": str(out / CACHE_NAME)})


def make_role(toolkit: Toolkit, name: str) -> SynthRole:
    """Build a role; options of its own that `[synthesis]` has too are taken from there unless they are set."""
    options: dict[str, Any] = dict(toolkit.settings.options(Kind.ROLE.value, name))
    for option in _SHARED_OPTIONS & toolkit.registry.spec(Kind.ROLE, name).config.model_fields.keys():
        options.setdefault(option, getattr(toolkit.settings.synthesis, option))
    role: SynthRole = toolkit.registry.make(Kind.ROLE, name, options)
    return role


def _check_roles(names: tuple[str, ...], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"no role named {name!r} (in synthesis.roles); {nearest(name, known)}")
    if len(set(names)) != len(names) or [name for name in names if name in BUILT_IN] != list(BUILT_IN):
        raise ConfigError(
            f"synthesis.roles must hold {', '.join(BUILT_IN)} in this order, each role once; "
            "more may stand between them"
        )


async def _open_models(toolkit: Toolkit, stack: AsyncExitStack) -> dict[str, ChatModel]:
    settings = toolkit.settings.synthesis
    strangers = sorted(set(settings.role_models) - set(settings.roles))
    if strangers:
        hint = nearest(strangers[0], list(settings.roles))
        raise ConfigError(f"synthesis.role_models names {strangers[0]!r}, which is not in synthesis.roles; {hint}")
    opened: dict[str, ChatModel] = {}
    for name in settings.roles:
        wanted = settings.role_models.get(name, settings.model)
        if wanted not in opened:
            opened[wanted] = await stack.enter_async_context(open_chat_model(toolkit, wanted))
    return {name: opened[settings.role_models.get(name, settings.model)] for name in settings.roles}


def _check_prices(models: Mapping[str, ChatModel], caps: RoleCaps) -> None:
    """A model that does not know what it costs says so by an attribute `priced` that is false."""
    for role, model in models.items():
        if caps.needs_price(role) and not getattr(model, "priced", True):
            raise ConfigError(
                f"a cap in USD needs to know what {model.name} costs, which plays {role}, and no price is listed for "
                "it; set usd_per_million_prompt_tokens and usd_per_million_completion_tokens under "
                f'[plugin.llm.litellm.models."{model.name}"], or cap tokens instead'
            )


async def _close(close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    await see_through(close(), CLOSE_DEADLINE_S)


async def _nothing_accepted() -> tuple[Any, ...]:
    return ()
