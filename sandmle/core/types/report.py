"""Numbers a report is made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over tasks with its bootstrap interval (tasks are resampled, episodes within a task averaged)."""

    mean: float
    low: float
    high: float
    """2.5 % and 97.5 % percentiles."""
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSummary:
    """How one model under one scaffold did over a set of tasks."""

    model: str
    scaffold: str
    feedback: str
    episodes: int
    infrastructure_rate: float
    """Share of slots left out through no act of the agent."""
    valid: Estimate
    any_medal: Estimate
    gold: Estimate
    silver: Estimate
    bronze: Estimate
    """Shares of episodes whose medal is exactly this one."""
    above_median: Estimate
    human_rank: Estimate
    """An episode without a valid submission counts 0, as in MLE-Dojo."""
    reward: Estimate
