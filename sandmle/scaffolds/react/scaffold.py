"""The ReAct scaffold."""

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.trajectory import Action, ActionKind
from sandmle.scaffolds.react.config import ReactConfig
from sandmle.scaffolds.react.graph import ReactRun, build_graph
from sandmle.scaffolds.react.render import opening_messages

SPARE_STEPS = 4
"""Graph steps beyond two per turn, so that the turn limit ends an episode and never LangGraph's own limit."""


class ReactScaffold:
    """Think, call one tool, read its response, until answering."""

    needs = frozenset({ActionKind.RUN_CODE, ActionKind.SUBMIT})

    def __init__(self, config: ReactConfig) -> None:
        self._config = config
        self._graph = build_graph()

    @property
    def name(self) -> str:
        return "react"

    async def run(self, episode: EpisodeContext) -> None:
        """Play one episode; ends by the agent's answer or by `EpisodeOver`."""
        run = ReactRun(episode=episode, config=self._config, transcript=opening_messages(episode, self._config))
        await self._graph.ainvoke(
            {"misread": 0},
            context=run,
            config={"recursion_limit": 2 * episode.limits.max_turns + SPARE_STEPS},
        )
        await episode.act(Action(kind=ActionKind.FINISH))

    def mermaid(self) -> str:
        """The graph's picture as mermaid text."""
        return self._graph.get_graph().draw_mermaid()
