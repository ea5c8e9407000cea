"""The single turn as a graph: `agent` asks the policy, `program` runs what it wrote, `submission` hands it in.

Routers are coroutines: LangGraph hands a plain function to a thread, which costs more than all it decides.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from sandmle.core.contracts.scaffold import EpisodeContext, EpisodeOver
from sandmle.core.types.message import Message
from sandmle.core.types.trajectory import Action, ActionKind, StopReason
from sandmle.scaffolds.single_turn.config import SingleTurnConfig
from sandmle.scaffolds.single_turn.parse import read_program


class SingleTurnState(TypedDict):
    """Whether the reply held a program."""

    understood: bool


@dataclass(slots=True, kw_only=True)
class SingleTurnRun:
    """One episode under way."""

    episode: EpisodeContext
    config: SingleTurnConfig
    prompt: list[Message]
    program: Action = field(default_factory=lambda: Action(kind=ActionKind.INVALID))


async def agent(state: SingleTurnState, runtime: Runtime[SingleTurnRun]) -> dict[str, Any]:
    run = runtime.context
    reply = await run.episode.ask(run.prompt)
    run.program = read_program(reply.text, cut=reply.finish_reason == "length", unfenced=run.config.unfenced)
    return {"understood": run.program.kind is ActionKind.RUN_CODE}


async def program(state: SingleTurnState, runtime: Runtime[SingleTurnRun]) -> dict[str, Any]:
    await runtime.context.episode.act(runtime.context.program)
    if not state["understood"]:
        # There is no further turn in which the policy could do better.
        raise EpisodeOver(StopReason.STALLED)
    return {}


async def submission(state: SingleTurnState, runtime: Runtime[SingleTurnRun]) -> dict[str, Any]:
    # A program that failed may have written its submission before: what counts is what stands there.
    await runtime.context.episode.act(Action(kind=ActionKind.SUBMIT))
    return {}


async def after_program(state: SingleTurnState) -> Literal["submission", "__end__"]:
    return "submission" if state["understood"] else "__end__"


def build_graph() -> CompiledStateGraph[SingleTurnState, SingleTurnRun, SingleTurnState, SingleTurnState]:
    """Compile the graph; one compiled graph serves any number of episodes."""
    graph = StateGraph(SingleTurnState, context_schema=SingleTurnRun)
    graph.add_node("agent", agent)
    graph.add_node("program", program)
    graph.add_node("submission", submission)
    graph.add_edge(START, "agent")
    graph.add_edge("agent", "program")
    graph.add_conditional_edges("program", after_program, path_map={"submission": "submission", END: END})
    graph.add_edge("submission", END)
    return graph.compile()
