"""The AIRA scaffold."""

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.trajectory import Action, ActionKind
from sandmle.scaffolds.aira.config import AiraConfig
from sandmle.scaffolds.aira.graph import build_graph, open_run

STEPS_PER_ATTEMPT = 5
SPARE_STEPS = 8
"""Graph steps beyond the attempts', so that the search's own limits end an episode and never LangGraph's."""


class AiraScaffold:
    """Search greedily with AIRA's operators; every submission is checked before its attempt counts as good."""

    needs = frozenset({ActionKind.RUN_CODE, ActionKind.SUBMIT})
    """The actions it cannot do without."""

    def __init__(self, config: AiraConfig) -> None:
        self._config = config
        self._graph = build_graph()

    @property
    def name(self) -> str:
        return "aira"

    async def run(self, episode: EpisodeContext) -> None:
        """Play one episode; the best attempt's submission stands at every moment but that of another's check."""
        await self._graph.ainvoke(
            {"next": "draft"},
            context=open_run(episode, self._config),
            config={"recursion_limit": STEPS_PER_ATTEMPT * self._config.steps + SPARE_STEPS},
        )
        await episode.act(Action(kind=ActionKind.FINISH))

    def mermaid(self) -> str:
        """The graph's picture as mermaid text."""
        return self._graph.get_graph().draw_mermaid()
