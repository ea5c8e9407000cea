"""The MLE agent as a graph: `agent` asks for a decision, `repair` has one repaired, `action` carries it out.

The transcript lives in the run's own object, handed to the nodes as runtime context; the state holds
counters only, since a transcript in the state would be copied at every step.
A node that has a choice says itself where to go next: to LangGraph a router is a further node to run, which takes more
than all that it decides.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from sandmle.core.contracts.scaffold import EpisodeContext, EpisodeOver
from sandmle.core.types.message import Message
from sandmle.core.types.trajectory import Action, ActionKind, StopReason
from sandmle.scaffolds.mle_agent.config import MleAgentConfig
from sandmle.scaffolds.mle_agent.history import estimated_tokens, kept
from sandmle.scaffolds.mle_agent.operators import Result, carry_out
from sandmle.scaffolds.mle_agent.parse import Decision, read_decision
from sandmle.scaffolds.mle_agent.render import instruction, repair_request, result_message

AfterAnswer = Literal["action", "repair"]


class MleAgentState(TypedDict):
    """Counters of one episode."""

    steps: int
    """Actions carried out."""
    repairs: int
    """Times the answer at hand was sent back."""


@dataclass(slots=True, kw_only=True)
class MleAgentRun:
    """One episode under way."""

    episode: EpisodeContext
    config: MleAgentConfig
    max_steps: int
    transcript: list[Message] = field(default_factory=list)
    result: Result = field(default_factory=lambda: Result(text=""))
    answer: str = ""
    """The answer at hand, unrepaired."""
    problem: str = ""
    """Why that answer could not be read."""
    decision: Decision | None = None


async def agent(state: MleAgentState, runtime: Runtime[MleAgentRun]) -> Command[AfterAnswer]:
    run, left = runtime.context, runtime.context.max_steps - state["steps"]
    if left <= 0:
        raise EpisodeOver(StopReason.MAX_TURNS)
    if estimated_tokens(kept(run.transcript, run.config.history_length)) >= run.config.max_prompt_tokens:
        raise EpisodeOver(StopReason.CONTEXT)
    said = (
        result_message(run.episode, run.config, run.result, left)
        if run.transcript
        else instruction(run.episode, run.config, left)
    )
    run.transcript.append(said)
    reply = await run.episode.ask(kept(run.transcript, run.config.history_length))
    run.transcript.append(Message(role="assistant", content=reply.text))
    run.answer, run.problem = reply.text, ""
    await _read(run, reply.text)
    return Command(update={"repairs": 0}, goto=_after_answer(run))


async def repair(state: MleAgentState, runtime: Runtime[MleAgentRun]) -> Command[AfterAnswer]:
    run = runtime.context
    if state["repairs"] >= run.config.repair_attempts:
        raise EpisodeOver(StopReason.STALLED)
    # A conversation of its own, the same each time; the history keeps the answer as it was.
    reply = await run.episode.ask([repair_request(run.config, run.answer, run.problem)])
    await _read(run, reply.text)
    return Command(update={"repairs": state["repairs"] + 1}, goto=_after_answer(run))


async def action(state: MleAgentState, runtime: Runtime[MleAgentRun]) -> dict[str, Any]:
    run = runtime.context
    if run.decision is not None:
        run.result = await carry_out(run.episode, run.decision)
    return {"steps": state["steps"] + 1}


async def _read(run: MleAgentRun, text: str) -> None:
    try:
        run.decision = read_decision(text)
    except ValueError as problem:
        run.decision = None
        run.problem = run.problem or str(problem)
        await run.episode.act(Action(kind=ActionKind.INVALID, problem=f"Nothing was done: {problem}."))


def _after_answer(run: MleAgentRun) -> AfterAnswer:
    return "repair" if run.decision is None else "action"


def build_graph() -> CompiledStateGraph[MleAgentState, MleAgentRun, MleAgentState, MleAgentState]:
    """Compile the graph; one compiled graph serves any number of episodes.

    It goes round until a budget ends the episode: the protocol has no word for being done.
    """
    graph = StateGraph(MleAgentState, context_schema=MleAgentRun)
    graph.add_node("agent", agent)
    graph.add_node("repair", repair)
    graph.add_node("action", action)
    graph.add_edge(START, "agent")
    graph.add_edge("action", "agent")
    return graph.compile()
