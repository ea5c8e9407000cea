"""Which episodes of which runs are exported."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sandmle.core.engine.store import read_episodes
from sandmle.core.errors import UsageError, nearest
from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.score import Medal

_LADDER: Final = (Medal.NONE, Medal.BRONZE, Medal.SILVER, Medal.GOLD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What an episode must be to be exported. None and an empty tuple ask for nothing."""

    outcomes: tuple[Outcome, ...] = (Outcome.SCORED, Outcome.UNSCORED)
    """The agent's own outcomes, unless an infrastructure failure is asked for by name."""
    min_reward: float | None = None
    max_reward: float | None = None
    """Inclusive, on the recorded reward; an episode without a reward passes neither bound."""
    medal: Medal | None = None
    """This medal or a better one."""
    scaffolds: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()

    def refusal(self, episode: Episode) -> str | None:
        """Why the episode is left out, as a word to count by; None when it is exported."""
        total = episode.reward.total if episode.reward else None
        medal = episode.grade.medal if episode.grade else Medal.NONE
        reasons = {
            "outcome": episode.outcome not in self.outcomes,
            "scaffold": bool(self.scaffolds) and episode.scaffold not in self.scaffolds,
            "model": bool(self.models) and episode.model not in self.models,
            "task": bool(self.tasks) and episode.task_id not in self.tasks,
            "medal": self.medal is not None and _LADDER.index(medal) < _LADDER.index(self.medal),
            "reward": _outside(total, self.min_reward, self.max_reward),
        }
        return next((word for word, left_out in reasons.items() if left_out), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """An episode to export and the run it is of."""

    run: str
    """Name of the run directory."""
    episode: Episode


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was read and what is left of it."""

    read: int
    chosen: tuple[Chosen, ...]
    left_out: Counter[str] = field(default_factory=Counter)
    """Reason to how many episodes."""


def choose(runs: Sequence[Path], selection: Selection) -> Choice:
    """Read run directories, in the order given and recorded, and leave out what was not asked for.

    Raises:
        RunError: a directory is no run, or a line of it cannot be read.
        UsageError: the selection names a scaffold, model or task that no episode is of, or nothing is left.
    """
    if not runs:
        raise UsageError("name at least one run directory")
    found = [Chosen(run=_name(run), episode=episode) for run in runs for episode in read_episodes(run)]
    _refuse_unknown("scaffold", selection.scaffolds, {one.episode.scaffold for one in found})
    _refuse_unknown("model", selection.models, {one.episode.model for one in found})
    _refuse_unknown("task", selection.tasks, {one.episode.task_id for one in found})
    left_out: Counter[str] = Counter()
    chosen = []
    for one in found:
        reason = selection.refusal(one.episode)
        if reason is None:
            chosen.append(one)
        else:
            left_out[reason] += 1
    if not chosen:
        named = ", ".join(f"{count} by {reason}" for reason, count in sorted(left_out.items())) or "there is none"
        raise UsageError(f"no episode is left of {len(found)} in {', '.join(map(str, runs))}: {named}")
    return Choice(read=len(found), chosen=tuple(chosen), left_out=left_out)


def _name(run: Path) -> str:
    """The name of a run directory, as text where it is none."""
    return run.resolve().name.encode("utf-8", "replace").decode()


def _refuse_unknown(kind: str, asked: Sequence[str], known: set[str]) -> None:
    for word in asked:
        if word not in known:
            raise UsageError(f"no episode is of a {kind} {word!r}; {nearest(word, sorted(known))}")


def _outside(total: float | None, low: float | None, high: float | None) -> bool:
    if low is None and high is None:
        return False
    # Written so that a reward that is no number is outside, too.
    return total is None or not ((low is None or total >= low) and (high is None or total <= high))
