"""The AIDE scaffold."""

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.trajectory import Action, ActionKind
from sandmle.scaffolds.aide.config import AideConfig
from sandmle.scaffolds.aide.graph import build_graph, open_run
from sandmle.scaffolds.common.tree.journal import Selection

STEPS_PER_ATTEMPT = 5
SPARE_STEPS = 8
"""Graph steps beyond the attempts', so that the search's own limits end an episode and never LangGraph's."""


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
        await self._graph.ainvoke(
            {"next": "draft"},
            context=open_run(episode, self._config),
            config={"recursion_limit": STEPS_PER_ATTEMPT * self._config.steps + SPARE_STEPS},
        )
        await episode.act(Action(kind=ActionKind.FINISH))

    def mermaid(self) -> str:
        """The graph's picture as mermaid text."""
        return self._graph.get_graph().draw_mermaid()
