"""The ReAct graph: `agent` asks the policy, `tools` does what it said.

The transcript lives in the run's own object, handed to the nodes as runtime context; the state holds
counters only, since a transcript in the state would be copied at every step.
Each node says itself where to go next: to LangGraph a router is a further node to run, which takes more than all that
it decides.
"""

from dataclasses import dataclass, field
from typing import Literal, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from sandmle.core.contracts.scaffold import EpisodeContext, EpisodeOver
from sandmle.core.types.message import Message
from sandmle.core.types.trajectory import ActionKind, StopReason
from sandmle.scaffolds.react.config import ReactConfig
from sandmle.scaffolds.react.parse import ReadReply, read_reply
from sandmle.scaffolds.react.render import render_response

STOP = ("<tool_response>",)


class ReactState(TypedDict):
    """Counters of one episode."""

    misread: int
    """Replies in a row that held nothing to do."""


@dataclass(slots=True, kw_only=True)
class ReactRun:
    """One episode under way."""

    episode: EpisodeContext
    config: ReactConfig
    transcript: list[Message]
    reply: ReadReply = field(default_factory=lambda: ReadReply(actions=(), answered=False))


async def agent(state: ReactState, runtime: Runtime[ReactRun]) -> Command[Literal["tools", "__end__"]]:
    run = runtime.context
    reply = await run.episode.ask(run.transcript, stop=STOP)
    run.transcript.append(Message(role="assistant", content=reply.text))
    run.reply = read_reply(reply.text, cut=reply.finish_reason == "length")
    return Command(goto="tools" if run.reply.actions else "__end__")


async def tools(state: ReactState, runtime: Runtime[ReactRun]) -> Command[Literal["agent", "__end__"]]:
    run = runtime.context
    seen = [await run.episode.act(action) for action in run.reply.actions]
    understood = any(action.kind is not ActionKind.INVALID for action in run.reply.actions)
    misread = 0 if understood else state["misread"] + 1
    if misread >= run.config.max_misread:
        raise EpisodeOver(StopReason.STALLED)
    content = "\n".join(render_response(one, run.config, ignored=run.reply.ignored) for one in seen)
    run.transcript.append(Message(role="user", content=content))
    return Command(update={"misread": misread}, goto="__end__" if run.reply.answered else "agent")


def build_graph() -> CompiledStateGraph[ReactState, ReactRun, ReactState, ReactState]:
    """Compile the graph; one compiled graph serves any number of episodes."""
    graph = StateGraph(ReactState, context_schema=ReactRun)
    graph.add_node("agent", agent)
    graph.add_node("tools", tools)
    graph.add_edge(START, "agent")
    return graph.compile()
