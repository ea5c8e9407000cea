"""The scaffold of native function calling."""

import json

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.message import Message
from sandmle.core.types.trajectory import ActionKind
from sandmle.scaffolds.common.briefing import briefing
from sandmle.scaffolds.common.prompts import render_prompt
from sandmle.scaffolds.openai_tools.config import OpenaiToolsConfig
from sandmle.scaffolds.openai_tools.graph import ToolsRun, build_graph
from sandmle.scaffolds.openai_tools.tools import TOOLS

PACKAGE = "sandmle.scaffolds.openai_tools"
SPARE_STEPS = 4
"""Graph steps beyond two per turn, so that the turn limit ends an episode and never LangGraph's own limit."""


class OpenaiToolsScaffold:
    """The provider's own function calling: run_python, submit and finish, several calls in one reply allowed."""

    needs = frozenset({ActionKind.RUN_CODE, ActionKind.SUBMIT})

    def __init__(self, config: OpenaiToolsConfig) -> None:
        self._config = config
        self._graph = build_graph()

    @property
    def name(self) -> str:
        return "openai_tools"

    async def run(self, episode: EpisodeContext) -> None:
        """Play one episode; ends by a call of `finish`, as stalled, or by another `EpisodeOver`."""
        functions = [
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters} for tool in TOOLS
        ]
        described = [json.dumps(one) for one in functions] if self._config.calls == "text" else []
        transcript = [
            Message(role="system", content=render_prompt(PACKAGE, "system.md", functions=described)),
            Message(role="user", content=render_prompt(PACKAGE, "task.md", **briefing(episode))),
        ]
        run = ToolsRun(episode=episode, config=self._config, transcript=transcript)
        limit = 2 * episode.limits.max_turns + SPARE_STEPS
        await self._graph.ainvoke({"misread": 0}, context=run, config={"recursion_limit": limit})

    def mermaid(self) -> str:
        """The graph's picture as mermaid text."""
        return self._graph.get_graph().draw_mermaid()
