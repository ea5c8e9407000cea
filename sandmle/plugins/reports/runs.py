"""What was run: the records of a run directory, read for the page.

A run may be under way or cut short; the page then says how many episodes of how many it holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sandmle.core.engine.evaluation import failure_counts, failure_rates
from sandmle.core.engine.store import read_config, read_episodes, read_failures
from sandmle.core.types.episode import Episode
from sandmle.core.types.trajectory import Segment, Trajectory


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run directory, read."""

    name: str
    episodes: tuple[Episode, ...]
    expected: int | None
    """Episodes the run will hold when complete; None when its configuration does not say."""
    failures: Mapping[str, int]
    """Kind of the action before an infrastructure failure to their number, those made good by a retry included."""
    failure_rates: Mapping[str, float]
    """The same per action of that kind (per attempt, before any action)."""
    config: Mapping[str, Any]
    """The `[run]` section of the resolved configuration."""
    task_sha256: Mapping[str, str]
    """Task to the hash of its `task.toml` when the run was started; empty when the configuration has none."""

    @property
    def complete(self) -> bool:
        return self.expected is None or len(self.episodes) >= self.expected


def read_run(folder: Path) -> RunView:
    """Read a run directory without touching it.

    Raises:
        RunError: not a run directory, or a record other than a torn last line is damaged.
    """
    config = read_config(folder)
    section, tasks = config.get("run"), config.get("tasks")
    episodes = tuple(map(_without_ids, read_episodes(folder)))
    failures = tuple(read_failures(folder))
    return RunView(
        name=folder.resolve().name,
        episodes=episodes,
        expected=_expected(config),
        failures=failure_counts(failures),
        failure_rates=failure_rates(failures, episodes),
        config=section if isinstance(section, dict) else {},
        task_sha256=tasks if isinstance(tasks, dict) else {},
    )


def _without_ids(episode: Episode) -> Episode:
    """The episode without token ids and log-probs: most of its memory, and nothing a person reads."""
    segments = tuple(
        Segment(
            entries=tuple(
                entry
                if entry.reply is None
                else replace(entry, reply=replace(entry.reply, prompt_ids=None, sampled_ids=None, log_probs=None))
                for entry in segment.entries
            )
        )
        for segment in episode.trajectory.segments
    )
    return replace(episode, trajectory=Trajectory(segments=segments, steps=episode.trajectory.steps))


def _expected(config: Mapping[str, Any]) -> int | None:
    tasks, section = config.get("tasks"), config.get("run")
    size = section.get("group_size") if isinstance(section, dict) else None
    return len(tasks) * size if isinstance(tasks, dict) and isinstance(size, int) else None
