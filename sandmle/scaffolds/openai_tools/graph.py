"""Function calling as a graph: `agent` asks the policy, `tools` executes what it called.

The transcript lives in the run's own object, handed to the nodes as runtime context; the state holds
counters only, since a transcript in the state would be copied at every step.
"""

from dataclasses import dataclass
from typing import Any, Final, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from sandmle.core.contracts.scaffold import EpisodeContext, EpisodeOver
from sandmle.core.types.message import Message, ToolCall
from sandmle.core.types.trajectory import Action, ActionKind, StopReason
from sandmle.scaffolds.common.speech import invalid, with_status
from sandmle.scaffolds.openai_tools.config import OpenaiToolsConfig
from sandmle.scaffolds.openai_tools.tools import EXPECTED, TOOLS, action_of, read_text_calls

IGNORED: Final = "\n(What followed the first <tool_response> in your reply was ignored: only tools write responses.)"
STOP: Final = ("<tool_response>",)
"""Under `text` only: natively, nothing in a reply's text is read at all."""


class ToolsState(TypedDict):
    """Counters of one episode."""

    misread: int
    """Replies in a row that held nothing to execute."""


@dataclass(slots=True, kw_only=True)
class ToolsRun:
    """One episode under way."""

    episode: EpisodeContext
    config: OpenaiToolsConfig
    transcript: list[Message]
    calls: tuple[ToolCall, ...] = ()
    cut: bool = False
    ignored: bool = False


async def agent(state: ToolsState, runtime: Runtime[ToolsRun]) -> dict[str, Any]:
    run = runtime.context
    if run.config.calls == "native":
        reply = await run.episode.ask(run.transcript, tools=TOOLS)
        run.calls, run.ignored = reply.tool_calls, False
        run.transcript.append(Message(role="assistant", content=reply.text, tool_calls=reply.tool_calls))
    else:
        reply = await run.episode.ask(run.transcript, stop=STOP)
        found = read_text_calls(reply.text)
        run.calls, run.ignored = found.calls, found.ignored
        run.transcript.append(Message(role="assistant", content=reply.text))
    run.cut = reply.finish_reason == "length"
    return {}


async def tools(state: ToolsState, runtime: Runtime[ToolsRun]) -> dict[str, Any]:
    run = runtime.context
    understood = False
    responses: list[tuple[ToolCall | None, str]] = []
    for at, call in enumerate(run.calls):
        if at >= run.config.max_calls:
            responses.append((call, f"Not done: one reply may call {run.config.max_calls} functions at most."))
            continue
        action = action_of(call, cut=run.cut and at == len(run.calls) - 1)
        understood = understood or action.kind is not ActionKind.INVALID
        responses.append((call, await _act(run, action)))
    if not run.calls:
        problem = "the reply was cut by the token limit before it called a function" if run.cut else "no function call"
        responses.append((None, await _act(run, invalid(problem, EXPECTED))))
    misread = 0 if understood else state["misread"] + 1
    if misread >= run.config.max_misread:
        raise EpisodeOver(StopReason.STALLED)
    run.transcript += _as_messages(run, responses)
    return {"misread": misread}


async def _act(run: ToolsRun, action: Action) -> str:
    return with_status(await run.episode.act(action), run.config.observation_chars)


def _as_messages(run: ToolsRun, responses: list[tuple[ToolCall | None, str]]) -> list[Message]:
    if run.config.calls == "native":
        return [
            Message(role="tool", content=text, tool_call_id=call.call_id)
            if call
            else Message(role="user", content=text)
            for call, text in responses
        ]
    spoken = [
        # Agent code decides what it prints; it must not be able to close the response and speak for the tools.
        "<tool_response>\n" + text.replace("tool_response>", "tool_response >") + "\n</tool_response>"
        for _, text in responses
    ]
    return [Message(role="user", content="\n".join(spoken) + (IGNORED if run.ignored else ""))]


def build_graph() -> CompiledStateGraph[ToolsState, ToolsRun, ToolsState, ToolsState]:
    """Compile the graph; one compiled graph serves any number of episodes.

    It goes round until an action ends the episode: a call of `finish` is one.
    """
    graph = StateGraph(ToolsState, context_schema=ToolsRun)
    graph.add_node("agent", agent)
    graph.add_node("tools", tools)
    graph.add_edge(START, "agent")
    graph.add_edge("agent", "tools")
    graph.add_edge("tools", "agent")
    return graph.compile()
