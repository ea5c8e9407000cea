"""What can be configured about the MLE agent."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class MleAgentConfig(BaseModel):
    """`[plugin.scaffold.mle_agent]`. The defaults are those of MLE-Dojo's own configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Actions of an episode; none takes the turn limit of the run. Repairs use up turns and no actions."""
    history_length: Annotated[int, Field(ge=1)] | None = None
    """Pairs of messages kept besides the first; none keeps all. Leaving messages out begins a new segment."""
    max_prompt_tokens: Annotated[int, Field(ge=1)] = 50_000
    """The episode ends once the history is estimated to be this long."""
    repair_attempts: Annotated[int, Field(ge=1)] = 3
    """Times the policy is asked to repair one answer that cannot be parsed; then the episode ends as stalled."""
    show_time: bool = True
    """Tell the seconds left in every prompt, as MLE-Dojo does. They differ from run to run, so a run whose prompts
    are to be reproducible (replayed, cached, resumed in training) turns it off."""
    observation_chars: Annotated[int, Field(ge=200)] = 16_000
    """Characters of one result that the policy sees, head and tail. MLE-Dojo shows all."""
