"""The graph of a tree search, and the nodes that every one has. What runs and judges an attempt is the scaffold's own.

    prepare ─▶ choose ─▶ draft | debug | improve ─▶ execute ─▶ (submit) ─▶ review ─▶ choose

The tree lives in the run's own object, handed to the nodes as runtime context; the state holds what the routers
need. The policy is asked in a conversation of its own each time, as the peers do, so each reply is a segment.
Routers are coroutines: LangGraph hands a plain function to a thread, which costs more than all it decides.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from sandmle.core.contracts.scaffold import EpisodeContext, EpisodeOver
from sandmle.core.types.message import Message
from sandmle.core.types.score import Direction
from sandmle.core.types.trajectory import Action, ActionKind, StopReason
from sandmle.scaffolds.common.tree.asking import ask_for_program, ask_for_review
from sandmle.scaffolds.common.tree.bench import Bench
from sandmle.scaffolds.common.tree.board import Told
from sandmle.scaffolds.common.tree.journal import Attempt, Journal, Operator
from sandmle.scaffolds.common.tree.reading import Unreadable
from sandmle.scaffolds.common.tree.rendering import Renderer
from sandmle.scaffolds.common.tree.search import Choice, Search, choose, said

TURNS_PER_ATTEMPT: Final = 2
"""A program and its review."""
STEPS_PER_ATTEMPT: Final = 5
SPARE_STEPS: Final = 8
"""Graph steps beyond the attempts', so that the search's own limits end an episode and never LangGraph's."""


class TreeState(TypedDict):
    """What decides where the graph goes."""

    next: Literal["draft", "debug", "improve", "end"]


@dataclass(slots=True, kw_only=True)
class TreeRun:
    """One episode under way."""

    episode: EpisodeContext
    search: Search
    bench: Bench
    wording: random.Random
    """For the order of words in prompts, apart from the search's own chance."""
    make_renderer: Callable[[str], Renderer]
    """From what the data looks like."""
    steps: int
    """Attempts at most."""
    tries: int
    """Replies in a row that may hold no program before the search goes on without one."""
    review_tries: int
    needs_plan: bool
    """Whether a program without any words before it counts as unreadable."""
    data_preview: bool
    renderer: Renderer | None = None
    """There once the data has been looked at."""
    journal: Journal = field(default_factory=Journal)
    choice: Choice = field(default_factory=lambda: Choice(operator=Operator.DRAFT, parent=None, reason=""))
    attempt: Attempt | None = None
    """The one under way."""
    problem: str = ""
    """Why there is nothing to run in it, when there is not."""
    told: Told | None = None
    """What was said of its submission, when it was looked at."""
    turns: int = 0


class Node(Protocol):
    """A step of the graph."""

    async def __call__(self, state: TreeState, runtime: Runtime[TreeRun]) -> dict[str, Any]: ...


Router = Callable[[TreeState, Runtime[TreeRun]], Awaitable[str]]
TreeGraph = CompiledStateGraph[TreeState, TreeRun, TreeState, TreeState]


async def prepare(state: TreeState, runtime: Runtime[TreeRun]) -> dict[str, Any]:
    run = runtime.context
    overview = await run.bench.preview() if run.data_preview else "\n".join(run.episode.task.files)
    run.renderer = run.make_renderer(overview)
    return {}


async def choose_next(state: TreeState, runtime: Runtime[TreeRun]) -> dict[str, Any]:
    run = runtime.context
    # Without a good attempt, half of another one is worth the turn that is left.
    too_few_turns = run.episode.limits.max_turns - run.turns < TURNS_PER_ATTEMPT and run.journal.good
    if len(run.journal.attempts) >= run.steps or too_few_turns:
        return {"next": "end"}
    run.choice = choose(run.journal, run.search, run.episode.rng)
    run.told = None
    return {"next": run.choice.operator.value}


async def draft(state: TreeState, runtime: Runtime[TreeRun]) -> dict[str, Any]:
    run = runtime.context
    assert run.renderer is not None
    await _write(run, run.renderer.draft(run.journal, run.wording))
    return {}


async def debug(state: TreeState, runtime: Runtime[TreeRun]) -> dict[str, Any]:
    run = runtime.context
    assert run.renderer is not None
    assert run.choice.parent is not None
    await _write(run, run.renderer.debug(run.journal, run.choice.parent, run.wording))
    return {}


async def improve(state: TreeState, runtime: Runtime[TreeRun]) -> dict[str, Any]:
    run = runtime.context
    assert run.renderer is not None
    assert run.choice.parent is not None
    await _write(run, run.renderer.improve(run.journal, run.choice.parent, run.wording))
    return {}


async def submit(state: TreeState, runtime: Runtime[TreeRun]) -> dict[str, Any]:
    run = runtime.context
    assert run.attempt is not None
    run.told = await run.bench.submit(run.attempt)
    run.attempt = replace(run.attempt, board=run.told.public)
    best = run.journal.best(run.search.select_by)
    if best is not None:
        await run.bench.put_up(best, "it is still the best")
    return {}


async def after_choice(state: TreeState) -> Literal["draft", "debug", "improve", "__end__"]:
    return "__end__" if state["next"] == "end" else state["next"]


async def _write(run: TreeRun, messages: list[Message]) -> None:
    asked = await ask_for_program(run.episode, messages, tries=run.tries, needs_plan=run.needs_plan)
    run.turns += asked.turns
    run.problem = asked.problem
    run.attempt = Attempt(
        number=len(run.journal.attempts),
        operator=run.choice.operator,
        parent=None if run.choice.parent is None else run.choice.parent.number,
        plan=asked.program.plan,
        code=asked.program.code,
    )


async def execute(run: TreeRun, *, put: bool) -> None:
    """Run the attempt's program. With `put`, a submission that it writes stands at once."""
    assert run.attempt is not None
    if run.problem:
        run.attempt = replace(run.attempt, failed=True, output=f"Nothing was run: {run.problem}.")
    else:
        ran = await run.bench.run(run.attempt, run.choice.reason, put=put)
        run.attempt = replace(run.attempt, failed=ran.failed, output=ran.output)


async def judge(run: TreeRun, called: str, *, valid: bool = True, also_seen: str = "") -> None:
    """Have the attempt reviewed, take it into the journal, and have the best one stand.

    Args:
        run: the episode.
        called: what the scaffold calls a review.
        valid: whether the attempt may be good at all.
        also_seen: what is added to the output once it is reviewed, for the operators to read.
    """
    assert run.attempt is not None
    assert run.renderer is not None
    found, turns = await ask_for_review(run.episode, run.renderer.review(run.attempt), tries=run.review_tries)
    run.turns += turns
    attempt = replace(run.attempt, output=f"{run.attempt.output}{also_seen}")
    if isinstance(found, Unreadable):
        if run.problem:
            # Neither the program nor the review of a whole attempt could be read.
            raise EpisodeOver(StopReason.STALLED)
        attempt = replace(attempt, analysis=f"There is no {called}: {found.problem}.")
    else:
        buggy = found.is_bug or attempt.failed or found.metric is None or not valid
        lower = found.lower_is_better
        attempt = replace(
            attempt,
            analysis=found.summary,
            buggy=buggy,
            score=None if buggy else found.metric,
            direction=None if lower is None else Direction.MINIMIZE if lower else Direction.MAXIMIZE,
        )
    before = run.journal.best(run.search.select_by)
    run.journal = run.journal.with_attempt(attempt)
    best = run.journal.best(run.search.select_by)
    if best is not None and best is not before:
        await run.bench.put_up(best, f"the best by its {said(best, run.journal, run.search.select_by)}")


async def search_through(graph: TreeGraph, run: TreeRun) -> None:
    """Search until the steps or the turns are used up, then end the episode."""
    limit = STEPS_PER_ATTEMPT * run.steps + SPARE_STEPS
    await graph.ainvoke({"next": "draft"}, context=run, config={"recursion_limit": limit})
    await run.episode.act(Action(kind=ActionKind.FINISH))


def tree_graph(*, execute: Node, after_execution: Router, submit_as: str, review: Node, review_as: str) -> TreeGraph:
    """Compile the graph of a tree search; one compiled graph serves any number of episodes.

    Args:
        execute: runs an attempt's program.
        after_execution: gives the name of the node that follows: the one that submits, or the one that reviews.
        submit_as: name of the node in which an attempt's submission is looked at.
        review: judges an attempt.
        review_as: name of that node.
    """
    graph = StateGraph(TreeState, context_schema=TreeRun)
    graph.add_node("prepare", prepare)
    graph.add_node("choose", choose_next)
    graph.add_node("draft", draft)
    graph.add_node("debug", debug)
    graph.add_node("improve", improve)
    graph.add_node("execute", execute)
    graph.add_node(submit_as, submit)
    graph.add_node(review_as, review)
    graph.add_edge(START, "prepare")
    graph.add_edge("prepare", "choose")
    paths = {"draft": "draft", "debug": "debug", "improve": "improve", END: END}
    graph.add_conditional_edges("choose", after_choice, path_map=paths)  # type: ignore[arg-type]
    for operator in ("draft", "debug", "improve"):
        graph.add_edge(operator, "execute")
    graph.add_conditional_edges("execute", after_execution, path_map={submit_as: submit_as, review_as: review_as})
    graph.add_edge(submit_as, review_as)
    graph.add_edge(review_as, "choose")
    return graph.compile()
