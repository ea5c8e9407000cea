"""The AIRA scaffold."""

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.trajectory import ActionKind
from sandmle.scaffolds.aira.config import AiraConfig
from sandmle.scaffolds.aira.graph import build_graph, open_run
from sandmle.scaffolds.common.tree.graph import search_through


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
        await search_through(self._graph, open_run(episode, self._config))

    def mermaid(self) -> str:
        """The graph's picture as mermaid text."""
        return self._graph.get_graph().draw_mermaid()
