"""The synthesizer as a LangGraph graph: the roles in order, each with its repair edge, then evidence, then checks.

The graph is built from a list of role names, so that a plugin's role takes its place by configuration. Nothing
in the state grows beyond one role's conversation; no checkpointer is used, because a draft is small and the
corpus resumes by whole drafts.
"""

from collections.abc import Hashable, Sequence
from functools import partial

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from sandmle.plugins.synthesizer.nodes import (
    CHECKS,
    EVIDENCE,
    DraftContext,
    DraftState,
    gather_evidence,
    give_up,
    judge,
    play_role,
    route_evidence,
    route_role,
)

DraftGraph = CompiledStateGraph[DraftState, DraftContext, DraftState, DraftState]


def build_graph(roles: Sequence[str]) -> DraftGraph:
    """Wire the roles in the given order, then evidence, then checks."""
    graph: StateGraph[DraftState, DraftContext, DraftState, DraftState] = StateGraph(
        DraftState, context_schema=DraftContext
    )
    for name in roles:
        graph.add_node(name, partial(play_role, name=name))
    graph.add_node("give-up", give_up)
    graph.add_node(EVIDENCE, gather_evidence)
    graph.add_node(CHECKS, judge)
    graph.add_edge(START, roles[0])
    for name, following in zip(roles, [*roles[1:], EVIDENCE], strict=True):
        ways: dict[Hashable, str] = {"accept": following, "repair": name, "give-up": "give-up"}
        graph.add_conditional_edges(name, partial(route_role, name=name), ways)
    graph.add_conditional_edges(EVIDENCE, route_evidence, {"judge": CHECKS, "reject": END})
    graph.add_edge("give-up", END)
    graph.add_edge(CHECKS, END)
    return graph.compile()
