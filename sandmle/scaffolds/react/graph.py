"""The ReAct graph: `agent` asks the policy, `tools` does what it said.

The transcript lives in the run's own object, handed to the nodes as runtime context; the state holds
counters only, since a transcript in the state would be copied at every step.
Routers are coroutines: LangGraph hands a plain function to a thread, which costs more than all it decides.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from sandmle.core.contracts.scaffold import EpisodeContext, EpisodeOver
from sandmle.core.types.message import Message
from sandmle.core.types.trajectory import ActionKind, StopReason
from sandmle.scaffolds.react.config import ReactConfig
from sandmle.scaffolds.react.parse import ReadReply, read_reply
from sandmle.scaffolds.react.render import render_response

STOP = ("<tool_response>",)


class ReactState(TypedDict):
    """Counters of one episode."""

    turns: int
    misread: int
    """Replies in a row that held nothing to do."""
    answered: bool


@dataclass(slots=True, kw_only=True)
class ReactRun:
    """One episode under way."""

    episode: EpisodeContext
    config: ReactConfig
    transcript: list[Message]
    reply: ReadReply = field(default_factory=lambda: ReadReply(actions=(), answered=False))


async def agent(state: ReactState, runtime: Runtime[ReactRun]) -> dict[str, Any]:
    run = runtime.context
    reply = await run.episode.ask(run.transcript, stop=STOP)
    run.transcript.append(Message(role="assistant", content=reply.text))
    run.reply = read_reply(reply.text, cut=reply.finish_reason == "length")
    return {"turns": state["turns"] + 1, "answered": run.reply.answered}


async def tools(state: ReactState, runtime: Runtime[ReactRun]) -> dict[str, Any]:
    run = runtime.context
    seen = [await run.episode.act(action) for action in run.reply.actions]
    understood = any(action.kind is not ActionKind.INVALID for action in run.reply.actions)
    misread = 0 if understood else state["misread"] + 1
    if misread >= run.config.max_misread:
        raise EpisodeOver(StopReason.STALLED)
    content = "\n".join(render_response(one, run.config, ignored=run.reply.ignored) for one in seen)
    run.transcript.append(Message(role="user", content=content))
    return {"misread": misread}


async def after_agent(state: ReactState, runtime: Runtime[ReactRun]) -> Literal["tools", "__end__"]:
    return "tools" if runtime.context.reply.actions else "__end__"


async def after_tools(state: ReactState) -> Literal["agent", "__end__"]:
    return "__end__" if state["answered"] else "agent"


def build_graph() -> CompiledStateGraph[ReactState, ReactRun, ReactState, ReactState]:
    """Compile the graph; one compiled graph serves any number of episodes."""
    graph = StateGraph(ReactState, context_schema=ReactRun)
    graph.add_node("agent", agent)
    graph.add_node("tools", tools)
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", after_agent, path_map={"tools": "tools", END: END})
    graph.add_conditional_edges("tools", after_tools, path_map={"agent": "agent", END: END})
    return graph.compile()
