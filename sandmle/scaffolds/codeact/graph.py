"""CodeAct as a graph: `agent` asks the policy, `execute` runs the code it wrote.

The transcript lives in the run's own object, handed to the nodes as runtime context; the state holds
counters only, since a transcript in the state would be copied at every step.
Each node says itself where to go next: to LangGraph a router is a further node to run, which takes more than all that
it decides.
"""

from dataclasses import dataclass, field
from typing import Final, Literal, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from sandmle.core.contracts.scaffold import EpisodeContext, EpisodeOver
from sandmle.core.types.message import Message
from sandmle.core.types.trajectory import ActionKind, StopReason
from sandmle.scaffolds.codeact.config import CodeActConfig
from sandmle.scaffolds.codeact.parse import ReadReply, read_reply
from sandmle.scaffolds.common.speech import with_status

IGNORED: Final = "\n(What followed the observation in your reply was ignored: only the system writes observations.)"


class CodeActState(TypedDict):
    """Counters of one episode."""

    misread: int
    """Replies in a row that held nothing to do."""


@dataclass(slots=True, kw_only=True)
class CodeActRun:
    """One episode under way."""

    episode: EpisodeContext
    config: CodeActConfig
    transcript: list[Message]
    reply: ReadReply = field(default_factory=lambda: ReadReply(actions=(), done=False))


async def agent(state: CodeActState, runtime: Runtime[CodeActRun]) -> Command[Literal["execute", "__end__"]]:
    run = runtime.context
    reply = await run.episode.ask(run.transcript)
    run.transcript.append(Message(role="assistant", content=reply.text))
    run.reply = read_reply(reply.text, cut=reply.finish_reason == "length")
    return Command(goto="execute" if run.reply.actions else "__end__")


async def execute(state: CodeActState, runtime: Runtime[CodeActRun]) -> Command[Literal["agent", "__end__"]]:
    run = runtime.context
    seen = [await run.episode.act(action) for action in run.reply.actions]
    understood = any(action.kind is not ActionKind.INVALID for action in run.reply.actions)
    misread = 0 if understood else state["misread"] + 1
    if misread >= run.config.max_misread:
        raise EpisodeOver(StopReason.STALLED)
    content = "\n".join(with_status(one, run.config.observation_chars) for one in seen)
    run.transcript.append(
        Message(role="user", content=f"Observation:\n{content}{IGNORED if run.reply.ignored else ''}")
    )
    return Command(update={"misread": misread}, goto="__end__" if run.reply.done else "agent")


def build_graph() -> CompiledStateGraph[CodeActState, CodeActRun, CodeActState, CodeActState]:
    """Compile the graph; one compiled graph serves any number of episodes."""
    graph = StateGraph(CodeActState, context_schema=CodeActRun)
    graph.add_node("agent", agent)
    graph.add_node("execute", execute)
    graph.add_edge(START, "agent")
    return graph.compile()
