"""The scaffold `one-call`, as a LangGraph graph: write → run → (repair →) finish."""

import re
from importlib.resources import files
from string import Template
from typing import Annotated, Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from sandmle import Action, ActionKind, CellStatus, EpisodeContext, Message
from sandmle_frugal.config import OneCallConfig

BLOCK = re.compile(r"```(?:python)?\s*\n(.*?)```", re.DOTALL)


class State(TypedDict):
    """Small on purpose: the transcript is kept by the episode, not by the graph."""

    messages: Annotated[list[Message], lambda _old, new: new]
    problem: str
    repairs_left: int


async def write(state: State, runtime: Runtime[EpisodeContext]) -> dict[str, Any]:
    reply = await runtime.context.ask(state["messages"])
    return {"messages": [*state["messages"], Message(role="assistant", content=reply.text)]}


async def execute(state: State, runtime: Runtime[EpisodeContext]) -> dict[str, Any]:
    episode, text = runtime.context, state["messages"][-1].content
    found = BLOCK.search(text)
    if found is None:
        return _ask_again(state, "Your answer held no fenced block of Python.")
    ran = await episode.act(Action(kind=ActionKind.RUN_CODE, code=found.group(1)))
    if ran.cell is not CellStatus.OK:
        return _ask_again(state, ran.text)
    looked_at = await episode.act(Action(kind=ActionKind.SUBMIT))
    if looked_at.grade is None or not looked_at.grade.valid:
        return _ask_again(state, looked_at.text)
    return {"problem": ""}


def _ask_again(state: State, problem: str) -> dict[str, Any]:
    return {
        "problem": problem,
        "repairs_left": state["repairs_left"] - 1,
        "messages": [*state["messages"], Message(role="user", content=f"{problem}\n\nSend the whole program again.")],
    }


def after_execute(state: State) -> Literal["write", "__end__"]:
    return "write" if state["problem"] and state["repairs_left"] >= 0 else "__end__"


class OneCall:
    """Asks once for a whole program; mends it as often as configured."""

    name = "one-call"

    def __init__(self, config: OneCallConfig) -> None:
        graph = StateGraph(State, context_schema=EpisodeContext)
        graph.add_node("write", write)
        graph.add_node("execute", execute)
        graph.add_edge(START, "write")
        graph.add_edge("write", "execute")
        graph.add_conditional_edges("execute", after_execute, {"write": "write", "__end__": END})
        self._graph = graph.compile()
        self._config = config

    async def run(self, episode: EpisodeContext) -> None:
        template = Template(files("sandmle_frugal").joinpath("prompt.md").read_text("utf-8"))
        listing = "\n".join(f"- {path}" for path in episode.task.files)
        prompt = template.substitute(description=episode.task.description, files=listing)
        state: State = {
            "messages": [Message(role="user", content=prompt)],
            "problem": "",
            "repairs_left": self._config.repairs,
        }
        await self._graph.ainvoke(state, context=episode)

    def mermaid(self) -> str:
        return self._graph.get_graph().draw_mermaid()
