"""The AIDE scaffold."""

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.trajectory import ActionKind
from sandmle.scaffolds.aide.config import AideConfig
from sandmle.scaffolds.aide.graph import build_graph, open_run
from sandmle.scaffolds.common.tree.graph import search_through
from sandmle.scaffolds.common.tree.journal import Selection


class AideScaffold:
    """Search a tree of programs: draft, debug, improve."""

    def __init__(self, config: AideConfig) -> None:
        self._config = config
        self._graph = build_graph()

    @property
    def name(self) -> str:
        return "aide"

    @property
    def needs(self) -> frozenset[ActionKind]:
        """The actions it cannot do without."""
        board = {ActionKind.SUBMIT} if self._config.select_by is Selection.PUBLIC_BOARD else set()
        return frozenset({ActionKind.RUN_CODE, *board})

    async def run(self, episode: EpisodeContext) -> None:
        """Play one episode; the best attempt's submission stands at every moment."""
        await search_through(self._graph, open_run(episode, self._config))

    def mermaid(self) -> str:
        """The graph's picture as mermaid text."""
        return self._graph.get_graph().draw_mermaid()
