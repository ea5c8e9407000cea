"""The single-turn scaffold."""

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.message import Message
from sandmle.core.types.trajectory import Action, ActionKind
from sandmle.scaffolds.common.briefing import briefing
from sandmle.scaffolds.common.prompts import render_prompt
from sandmle.scaffolds.single_turn.config import SingleTurnConfig
from sandmle.scaffolds.single_turn.graph import SingleTurnRun, build_graph

PACKAGE = "sandmle.scaffolds.single_turn"


class SingleTurnScaffold:
    """Ask once for a whole program, run it, submit what it wrote, end: no look at the data, no second try."""

    needs = frozenset({ActionKind.RUN_CODE, ActionKind.SUBMIT})

    def __init__(self, config: SingleTurnConfig) -> None:
        self._config = config
        self._graph = build_graph()

    @property
    def name(self) -> str:
        return "single_turn"

    async def run(self, episode: EpisodeContext) -> None:
        """Play one episode: `finished` after the submission, `stalled` when the reply held no program."""
        prompt = [Message(role="user", content=render_prompt(PACKAGE, "task.md", **briefing(episode)))]
        run = SingleTurnRun(episode=episode, config=self._config, prompt=prompt)
        await self._graph.ainvoke({"understood": False}, context=run)
        await episode.act(Action(kind=ActionKind.FINISH))

    def mermaid(self) -> str:
        """The graph's picture as mermaid text."""
        return self._graph.get_graph().draw_mermaid()
