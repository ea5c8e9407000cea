"""What a command tells of a run: ready for JSON, and as lines for a person."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sandmle.core.engine.budget import usage_of
from sandmle.core.engine.evaluation import failure_counts, failure_rates, summarize
from sandmle.core.engine.store import FailureRecord, read_charges, read_episodes, read_failures
from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.message import Usage
from sandmle.core.types.report import AgentSummary, Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """How far a run is and what came of it."""

    run_dir: str
    expected: int
    """Episodes the run holds when complete."""
    episodes: int
    """Of which are recorded, those of earlier starts included."""
    complete: bool
    interrupted: bool
    """It was asked to drain."""
    levels: Sequence[str]
    """Sandbox and isolation level of the episodes, as shown by live probes: `process L2` and so on."""
    reward: str
    """Name of the reward preset."""
    outcomes: Mapping[str, int]
    infrastructure_failures: Mapping[str, int]
    """By the kind of the action before; those a retry made good included."""
    infrastructure_failure_rates: Mapping[str, float]
    """Per action of that kind."""
    agents: Sequence[AgentSummary]
    usage: Usage
    """Tokens and money spent in all, on failed attempts and on episodes that a cap stopped, too."""
    usage_by_task: Mapping[str, Usage]
    budget_problems: Sequence[str] = ()
    """Which caps stopped it."""
    lost: str | None = None
    """Why nothing came of it, where the infrastructure failed every episode; None where one was played."""

    def as_json(self) -> dict[str, Any]:
        """As JSON has it; what is not a number is null."""
        return {name: json_ready(value) for name, value in asdict(self).items()}

    def as_text(self) -> str:
        """A few lines for a person."""
        lines = [
            f"{self.episodes} of {self.expected} episodes in {self.run_dir} ({', '.join(self.levels) or 'none begun'})"
        ]
        lines.extend(agent_line(agent) for agent in self.agents)
        lines.append(
            f"{self.usage.prompt_tokens} prompt and {self.usage.completion_tokens} completion tokens, "
            f"{self.usage.cost_usd:.6g} USD"
        )
        lines.extend(self.budget_problems)
        if self.infrastructure_failures:
            counts = ", ".join(f"{count} after {kind}" for kind, count in self.infrastructure_failures.items())
            lines.append(f"infrastructure failures: {counts}; {self.outcomes.get('infrastructure', 0)} slots left out")
        if not self.complete:
            lines.append("stopped short; the same command goes on from there")
        return "\n".join(lines)


def summarize_run(
    run_dir: Path, *, expected: int, interrupted: bool, reward: str, budget_problems: Sequence[str] = ()
) -> RunSummary:
    """Read the records of a run and sum them up.

    Raises:
        RunError: the records cannot be read.
    """
    episodes = tuple(map(lean, read_episodes(run_dir)))
    failures = tuple(read_failures(run_dir))
    usage, usage_by_task = usage_of(read_charges(run_dir))
    return RunSummary(
        run_dir=str(run_dir),
        expected=expected,
        episodes=len(episodes),
        complete=len(episodes) >= expected,
        interrupted=interrupted,
        levels=sorted({f"{episode.sandbox} {episode.level.value}" for episode in episodes}),
        reward=reward,
        outcomes=dict(sorted(Counter(episode.outcome.value for episode in episodes).items())),
        infrastructure_failures=failure_counts(failures),
        infrastructure_failure_rates=failure_rates(failures, episodes),
        agents=summarize(episodes),
        usage=usage,
        usage_by_task=usage_by_task,
        budget_problems=budget_problems,
        lost=_why_lost(episodes, failures),
    )


def _why_lost(episodes: Sequence[Episode], failures: Sequence[FailureRecord]) -> str | None:
    if not episodes or any(episode.outcome is not Outcome.INFRASTRUCTURE for episode in episodes):
        return None
    last = f" The last failure: {failures[-1].kind}: {failures[-1].error}" if failures else ""
    return f"the machinery failed every episode on every try; the same command plays them again.{last}"


def lean(episode: Episode) -> Episode:
    """The episode without its transcript, which is nearly all of its memory and enters no summary."""
    return replace(episode, trajectory=replace(episode.trajectory, segments=()))


def agent_line(agent: AgentSummary) -> str:
    """One agent on one line."""
    shown = {
        "reward": agent.reward,
        "valid": agent.valid,
        "any medal": agent.any_medal,
        "gold": agent.gold,
        "HumanRank": agent.human_rank,
    }
    numbers = ", ".join(f"{name} {_interval(value)}" for name, value in shown.items())
    if agent.any_medal.tasks < agent.human_rank.tasks:
        numbers += f"; medals over the {agent.any_medal.tasks} of {agent.human_rank.tasks} tasks that award them"
    return f"{agent.model} ({agent.scaffold}, {agent.feedback}): {numbers}"


def json_ready(value: Any) -> Any:
    """Mappings and sequences for `json.dumps`; NaN and infinity, for which JSON has no word, become None."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _interval(value: Estimate) -> str:
    return f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]" if value.tasks else "-"
