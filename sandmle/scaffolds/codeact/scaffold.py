"""The CodeAct scaffold."""

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.message import Message
from sandmle.core.types.trajectory import Action, ActionKind
from sandmle.scaffolds.codeact.config import CodeActConfig
from sandmle.scaffolds.codeact.graph import CodeActRun, build_graph
from sandmle.scaffolds.common.briefing import briefing
from sandmle.scaffolds.common.prompts import render_prompt

PACKAGE = "sandmle.scaffolds.codeact"
SPARE_STEPS = 4
"""Graph steps beyond two per turn, so that the turn limit ends an episode and never LangGraph's own limit."""


class CodeActScaffold:
    """Code blocks as the only action, what they print as the observation, until the agent says it is done."""

    needs = frozenset({ActionKind.RUN_CODE, ActionKind.SUBMIT})

    def __init__(self, config: CodeActConfig) -> None:
        self._config = config
        self._graph = build_graph()

    @property
    def name(self) -> str:
        return "codeact"

    async def run(self, episode: EpisodeContext) -> None:
        """Play one episode; ends by the agent's solution, as stalled, or by `EpisodeOver`."""
        transcript = [
            Message(role="system", content=render_prompt(PACKAGE, "system.md")),
            Message(role="user", content=render_prompt(PACKAGE, "task.md", **briefing(episode))),
        ]
        run = CodeActRun(episode=episode, config=self._config, transcript=transcript)
        limit = 2 * episode.limits.max_turns + SPARE_STEPS
        await self._graph.ainvoke({"misread": 0}, context=run, config={"recursion_limit": limit})
        await episode.act(Action(kind=ActionKind.FINISH))

    def mermaid(self) -> str:
        """The graph's picture as mermaid text."""
        return self._graph.get_graph().draw_mermaid()
