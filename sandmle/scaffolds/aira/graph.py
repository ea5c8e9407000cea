"""The AIRA graph: look at the data, then choose, write, run, check and analyze, until the steps are used up.

    prepare ─▶ choose ─▶ draft | debug | improve ─▶ execute ─▶ check ─▶ analyze ─▶ choose

Unlike AIDE's, an attempt is good only when its submission passes the environment's check, and what that check said
stands below the program's output for the operators to read. The crossover operator belongs to AIRA's evolutionary
search; the greedy one has none.
Routers are coroutines: LangGraph hands a plain function to a thread, which costs more than all it decides.
"""

import random
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from sandmle.core.contracts.scaffold import EpisodeContext, EpisodeOver
from sandmle.core.types.message import Message
from sandmle.core.types.score import Direction
from sandmle.core.types.trajectory import FeedbackMode, StopReason
from sandmle.scaffolds.aira.config import AiraConfig
from sandmle.scaffolds.aira.render import Renderer
from sandmle.scaffolds.common.tree.asking import ask_for_program, ask_for_review
from sandmle.scaffolds.common.tree.bench import Bench
from sandmle.scaffolds.common.tree.board import Told
from sandmle.scaffolds.common.tree.journal import Attempt, Journal, Operator
from sandmle.scaffolds.common.tree.reading import Unreadable
from sandmle.scaffolds.common.tree.search import Choice, Search, choose, said

TURNS_PER_ATTEMPT = 2
"""A program and its analysis."""


class AiraState(TypedDict):
    """What decides where the graph goes."""

    next: Literal["draft", "debug", "improve", "end"]


@dataclass(slots=True, kw_only=True)
class AiraRun:
    """One episode under way."""

    episode: EpisodeContext
    config: AiraConfig
    search: Search
    bench: Bench
    renderer: Renderer
    wording: random.Random
    """For the order of words in prompts, apart from the search's own chance."""
    journal: Journal = field(default_factory=Journal)
    choice: Choice = field(default_factory=lambda: Choice(operator=Operator.DRAFT, parent=None, reason=""))
    attempt: Attempt | None = None
    """The one under way."""
    problem: str = ""
    """Why there is nothing to run in it, when there is not."""
    told: Told | None = None
    """What the check of its submission said; None when its program did not come to its end."""
    turns: int = 0


def open_run(episode: EpisodeContext, config: AiraConfig) -> AiraRun:
    """A run at its beginning. The first number of the episode's stream makes the stream for wording."""
    return AiraRun(
        episode=episode,
        config=config,
        search=config.search(board=episode.feedback is FeedbackMode.PUBLIC_BOARD),
        bench=Bench(episode, "aira"),
        renderer=Renderer(episode=episode, config=config),
        wording=random.Random(episode.rng.getrandbits(64)),
    )


async def prepare(state: AiraState, runtime: Runtime[AiraRun]) -> dict[str, Any]:
    run = runtime.context
    overview = await run.bench.preview() if run.config.data_preview else "\n".join(run.episode.task.files)
    run.renderer = replace(run.renderer, overview=overview)
    return {}


async def choose_next(state: AiraState, runtime: Runtime[AiraRun]) -> dict[str, Any]:
    run = runtime.context
    left = run.episode.limits.max_turns - run.turns
    if len(run.journal.attempts) >= run.config.steps or (left < TURNS_PER_ATTEMPT and run.journal.good):
        return {"next": "end"}
    run.choice = choose(run.journal, run.search, run.episode.rng)
    return {"next": run.choice.operator.value}


async def draft(state: AiraState, runtime: Runtime[AiraRun]) -> dict[str, Any]:
    run = runtime.context
    await _write(run, run.renderer.draft(run.journal, run.wording))
    return {}


async def debug(state: AiraState, runtime: Runtime[AiraRun]) -> dict[str, Any]:
    run = runtime.context
    assert run.choice.parent is not None
    await _write(run, run.renderer.debug(run.journal, run.choice.parent, run.wording))
    return {}


async def improve(state: AiraState, runtime: Runtime[AiraRun]) -> dict[str, Any]:
    run = runtime.context
    assert run.choice.parent is not None
    await _write(run, run.renderer.improve(run.journal, run.choice.parent, run.wording))
    return {}


async def execute(state: AiraState, runtime: Runtime[AiraRun]) -> dict[str, Any]:
    run = runtime.context
    assert run.attempt is not None
    run.told = None
    if run.problem:
        run.attempt = replace(run.attempt, failed=True, output=f"Nothing was run: {run.problem}.")
    else:
        ran = await run.bench.run(run.attempt, run.choice.reason)
        run.attempt = replace(run.attempt, failed=ran.failed, output=ran.output)
    return {}


async def check(state: AiraState, runtime: Runtime[AiraRun]) -> dict[str, Any]:
    run = runtime.context
    assert run.attempt is not None
    run.told = await run.bench.submit(run.attempt)
    run.attempt = replace(run.attempt, board=run.told.public)
    best = run.journal.best(run.search.select_by)
    if best is not None:
        await run.bench.put_up(best, "it is still the best")
    return {}


async def analyze(state: AiraState, runtime: Runtime[AiraRun]) -> dict[str, Any]:
    run = runtime.context
    assert run.attempt is not None
    before = run.journal.best(run.search.select_by)
    run.journal = run.journal.with_attempt(await _analyzed(run, run.attempt))
    best = run.journal.best(run.search.select_by)
    if best is not None and best is not before:
        await run.bench.put_up(best, f"the best by its {said(best, run.journal, run.search.select_by)}")
    return {}


async def after_choice(state: AiraState) -> Literal["draft", "debug", "improve", "__end__"]:
    return "__end__" if state["next"] == "end" else state["next"]


async def after_execution(state: AiraState, runtime: Runtime[AiraRun]) -> Literal["check", "analyze"]:
    attempt = runtime.context.attempt
    return "analyze" if attempt is None or attempt.failed else "check"


async def _write(run: AiraRun, messages: list[Message]) -> None:
    asked = await ask_for_program(run.episode, messages, tries=run.config.tries, needs_plan=False)
    run.turns += asked.turns
    run.problem = asked.problem
    run.attempt = Attempt(
        number=len(run.journal.attempts),
        operator=run.choice.operator,
        parent=None if run.choice.parent is None else run.choice.parent.number,
        plan=asked.program.plan,
        code=asked.program.code,
    )


async def _analyzed(run: AiraRun, attempt: Attempt) -> Attempt:
    """The attempt with its analysis, which is asked for once: without a readable one it counts as buggy."""
    found, turns = await ask_for_review(run.episode, run.renderer.analyze(attempt), tries=1)
    run.turns += turns
    if run.told is not None:
        # The analysis is of the program's own output; the operators see the check's verdict too.
        attempt = replace(attempt, output=f"{attempt.output}\n\nCheck of submission.csv: {run.told.verdict}")
    if isinstance(found, Unreadable):
        if run.problem:
            # Neither the program nor the review of a whole attempt could be read.
            raise EpisodeOver(StopReason.STALLED)
        return replace(attempt, analysis=f"There is no analysis: {found.problem}.")
    valid = run.told is not None and run.told.valid
    buggy = found.is_bug or attempt.failed or found.metric is None or not valid
    said_lower = found.lower_is_better
    return replace(
        attempt,
        analysis=found.summary,
        buggy=buggy,
        score=None if buggy else found.metric,
        direction=None if said_lower is None else Direction.MINIMIZE if said_lower else Direction.MAXIMIZE,
    )


def build_graph() -> CompiledStateGraph[AiraState, AiraRun, AiraState, AiraState]:
    """Compile the graph; one compiled graph serves any number of episodes."""
    graph = StateGraph(AiraState, context_schema=AiraRun)
    graph.add_node("prepare", prepare)
    graph.add_node("choose", choose_next)
    graph.add_node("draft", draft)
    graph.add_node("debug", debug)
    graph.add_node("improve", improve)
    graph.add_node("execute", execute)
    graph.add_node("check", check)
    graph.add_node("analyze", analyze)
    graph.add_edge(START, "prepare")
    graph.add_edge("prepare", "choose")
    paths = {"draft": "draft", "debug": "debug", "improve": "improve", END: END}
    graph.add_conditional_edges("choose", after_choice, path_map=paths)  # type: ignore[arg-type]
    for operator in ("draft", "debug", "improve"):
        graph.add_edge(operator, "execute")
    graph.add_conditional_edges("execute", after_execution, path_map={"check": "check", "analyze": "analyze"})
    graph.add_edge("check", "analyze")
    graph.add_edge("analyze", "choose")
    return graph.compile()
