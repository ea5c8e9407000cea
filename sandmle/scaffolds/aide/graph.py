"""The AIDE graph: look at the data, then choose, write, run and review, until the steps are used up.

    prepare ─▶ choose ─▶ draft | debug | improve ─▶ execute ─▶ (board) ─▶ review ─▶ choose

The tree lives in the run's own object, handed to the nodes as runtime context; the state holds what the routers
need. The policy is asked in a conversation of its own each time, as the peer does, so each reply is a segment.
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
from sandmle.scaffolds.aide.config import AideConfig
from sandmle.scaffolds.aide.render import Renderer
from sandmle.scaffolds.common.tree.asking import ask_for_program, ask_for_review
from sandmle.scaffolds.common.tree.bench import Bench
from sandmle.scaffolds.common.tree.journal import Attempt, Journal, Operator, Selection
from sandmle.scaffolds.common.tree.reading import Unreadable
from sandmle.scaffolds.common.tree.search import Choice, Search, choose, said

TURNS_PER_ATTEMPT = 2
"""A program and its review."""


class AideState(TypedDict):
    """What decides where the graph goes."""

    next: Literal["draft", "debug", "improve", "end"]


@dataclass(slots=True, kw_only=True)
class AideRun:
    """One episode under way."""

    episode: EpisodeContext
    config: AideConfig
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
    turns: int = 0


def open_run(episode: EpisodeContext, config: AideConfig) -> AideRun:
    """A run at its beginning. The first number of the episode's stream makes the stream for wording."""
    return AideRun(
        episode=episode,
        config=config,
        search=config.search(board=episode.feedback is FeedbackMode.PUBLIC_BOARD),
        bench=Bench(episode, "aide"),
        renderer=Renderer(episode=episode, config=config),
        wording=random.Random(episode.rng.getrandbits(64)),
    )


async def prepare(state: AideState, runtime: Runtime[AideRun]) -> dict[str, Any]:
    run = runtime.context
    overview = await run.bench.preview() if run.config.data_preview else "\n".join(run.episode.task.files)
    run.renderer = replace(run.renderer, overview=overview)
    return {}


async def choose_next(state: AideState, runtime: Runtime[AideRun]) -> dict[str, Any]:
    run = runtime.context
    if len(run.journal.attempts) >= run.config.steps or _cannot_finish_another(run):
        return {"next": "end"}
    run.choice = choose(run.journal, run.search, run.episode.rng)
    return {"next": run.choice.operator.value}


async def draft(state: AideState, runtime: Runtime[AideRun]) -> dict[str, Any]:
    run = runtime.context
    await _write(run, run.renderer.draft(run.journal, run.wording))
    return {}


async def debug(state: AideState, runtime: Runtime[AideRun]) -> dict[str, Any]:
    run = runtime.context
    assert run.choice.parent is not None
    await _write(run, run.renderer.debug(run.choice.parent))
    return {}


async def improve(state: AideState, runtime: Runtime[AideRun]) -> dict[str, Any]:
    run = runtime.context
    assert run.choice.parent is not None
    await _write(run, run.renderer.improve(run.journal, run.choice.parent))
    return {}


async def execute(state: AideState, runtime: Runtime[AideRun]) -> dict[str, Any]:
    run = runtime.context
    assert run.attempt is not None
    if run.problem:
        run.attempt = replace(run.attempt, failed=True, output=f"Nothing was run: {run.problem}.")
    else:
        # As long as no attempt is good, what was written last is better than nothing.
        ran = await run.bench.run(run.attempt, run.choice.reason, put=not run.journal.good)
        run.attempt = replace(run.attempt, failed=ran.failed, output=ran.output)
    return {}


async def board(state: AideState, runtime: Runtime[AideRun]) -> dict[str, Any]:
    run = runtime.context
    assert run.attempt is not None
    told = await run.bench.submit(run.attempt)
    run.attempt = replace(run.attempt, board=told.public)
    best = run.journal.best(run.search.select_by)
    if best is not None:
        await run.bench.put_up(best, "it is still the best")
    return {}


async def review(state: AideState, runtime: Runtime[AideRun]) -> dict[str, Any]:
    run = runtime.context
    assert run.attempt is not None
    before = run.journal.best(run.search.select_by)
    run.journal = run.journal.with_attempt(await _reviewed(run, run.attempt))
    best = run.journal.best(run.search.select_by)
    if best is not None and best is not before:
        await run.bench.put_up(best, f"the best by its {said(best, run.journal, run.search.select_by)}")
    return {}


async def after_choice(state: AideState) -> Literal["draft", "debug", "improve", "__end__"]:
    return "__end__" if state["next"] == "end" else state["next"]


async def after_execution(state: AideState, runtime: Runtime[AideRun]) -> Literal["board", "review"]:
    run = runtime.context
    ran = run.attempt is not None and not run.attempt.failed
    return "board" if ran and run.search.select_by is Selection.PUBLIC_BOARD else "review"


def _cannot_finish_another(run: AideRun) -> bool:
    """Whether too few turns are left for a program and its review. Without a good attempt, half of one is worth it."""
    left = run.episode.limits.max_turns - run.turns
    return left < TURNS_PER_ATTEMPT and bool(run.journal.good)


async def _write(run: AideRun, messages: list[Message]) -> None:
    asked = await ask_for_program(run.episode, messages, tries=run.config.tries, needs_plan=True)
    run.turns += asked.turns
    run.problem = asked.problem
    run.attempt = Attempt(
        number=len(run.journal.attempts),
        operator=run.choice.operator,
        parent=None if run.choice.parent is None else run.choice.parent.number,
        plan=asked.program.plan,
        code=asked.program.code,
    )


async def _reviewed(run: AideRun, attempt: Attempt) -> Attempt:
    found, turns = await ask_for_review(run.episode, run.renderer.review(attempt), tries=run.config.tries)
    run.turns += turns
    if isinstance(found, Unreadable):
        if run.problem:
            # Neither the program nor the review of a whole attempt could be read.
            raise EpisodeOver(StopReason.STALLED)
        return replace(attempt, analysis=f"There is no review: {found.problem}.")
    buggy = found.is_bug or attempt.failed or found.metric is None
    said_lower = found.lower_is_better
    return replace(
        attempt,
        analysis=found.summary,
        buggy=buggy,
        score=None if buggy else found.metric,
        direction=None if said_lower is None else Direction.MINIMIZE if said_lower else Direction.MAXIMIZE,
    )


def build_graph() -> CompiledStateGraph[AideState, AideRun, AideState, AideState]:
    """Compile the graph; one compiled graph serves any number of episodes."""
    graph = StateGraph(AideState, context_schema=AideRun)
    graph.add_node("prepare", prepare)
    graph.add_node("choose", choose_next)
    graph.add_node("draft", draft)
    graph.add_node("debug", debug)
    graph.add_node("improve", improve)
    graph.add_node("execute", execute)
    graph.add_node("board", board)
    graph.add_node("review", review)
    graph.add_edge(START, "prepare")
    graph.add_edge("prepare", "choose")
    paths = {"draft": "draft", "debug": "debug", "improve": "improve", END: END}
    graph.add_conditional_edges("choose", after_choice, path_map=paths)  # type: ignore[arg-type]
    for operator in ("draft", "debug", "improve"):
        graph.add_edge(operator, "execute")
    graph.add_conditional_edges("execute", after_execution, path_map={"board": "board", "review": "review"})
    graph.add_edge("board", "review")
    graph.add_edge("review", "choose")
    return graph.compile()
