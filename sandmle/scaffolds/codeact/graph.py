"""CodeAct as a graph: `agent` asks the policy, `execute` runs the code it wrote.

The transcript lives in the run's own object, handed to the nodes as runtime context; the state holds
counters only, since a transcript in the state would be copied at every step.
Routers are coroutines: LangGraph hands a plain function to a thread, which costs more than all it decides.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

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
    done: bool


@dataclass(slots=True, kw_only=True)
class CodeActRun:
    """One episode under way."""

    episode: EpisodeContext
    config: CodeActConfig
    transcript: list[Message]
    reply: ReadReply = field(default_factory=lambda: ReadReply(actions=(), done=False))


async def agent(state: CodeActState, runtime: Runtime[CodeActRun]) -> dict[str, Any]:
    run = runtime.context
    reply = await run.episode.ask(run.transcript)
    run.transcript.append(Message(role="assistant", content=reply.text))
    run.reply = read_reply(reply.text, cut=reply.finish_reason == "length")
    return {"done": run.reply.done}


async def execute(state: CodeActState, runtime: Runtime[CodeActRun]) -> dict[str, Any]:
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
    return {"misread": misread}


async def after_agent(state: CodeActState, runtime: Runtime[CodeActRun]) -> Literal["execute", "__end__"]:
    return "execute" if runtime.context.reply.actions else "__end__"


async def after_execute(state: CodeActState) -> Literal["agent", "__end__"]:
    return "__end__" if state["done"] else "agent"


def build_graph() -> CompiledStateGraph[CodeActState, CodeActRun, CodeActState, CodeActState]:
    """Compile the graph; one compiled graph serves any number of episodes."""
    graph = StateGraph(CodeActState, context_schema=CodeActRun)
    graph.add_node("agent", agent)
    graph.add_node("execute", execute)
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", after_agent, path_map={"execute": "execute", END: END})
    graph.add_conditional_edges("execute", after_execute, path_map={"agent": "agent", END: END})
    return graph.compile()
