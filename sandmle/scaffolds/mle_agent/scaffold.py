"""The MLE agent."""

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.trajectory import ActionKind
from sandmle.scaffolds.mle_agent.config import MleAgentConfig
from sandmle.scaffolds.mle_agent.graph import MleAgentRun, build_graph


class MleAgentScaffold:
    """MLE-Dojo's protocol: request_info, validate_code and execute_code as JSON; unparsable answers are repaired."""

    needs = frozenset({ActionKind.RUN_CODE, ActionKind.SUBMIT})

    def __init__(self, config: MleAgentConfig) -> None:
        self._config = config
        self._graph = build_graph()

    @property
    def name(self) -> str:
        return "mle_agent"

    async def run(self, episode: EpisodeContext) -> None:
        """Play one episode to the end of its budget: it ends by `EpisodeOver` always."""
        max_steps = self._config.max_steps or episode.limits.max_turns
        run = MleAgentRun(episode=episode, config=self._config, max_steps=max_steps)
        # An action takes at most one question, its repairs, and one step of the graph to be carried out.
        limit = (max_steps + 1) * (self._config.repair_attempts + 3)
        await self._graph.ainvoke({"steps": 0, "repairs": 0}, context=run, config={"recursion_limit": limit})

    def mermaid(self) -> str:
        """The graph's picture as mermaid text."""
        return self._graph.get_graph().draw_mermaid()
