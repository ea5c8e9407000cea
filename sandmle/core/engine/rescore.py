"""Rewards of stored episodes under another preset, at no model's cost. The episodes themselves stay as they are."""

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sandmle.core.engine.evaluation import summarize
from sandmle.core.engine.outputs import check_output
from sandmle.core.engine.scoring import open_preset, reward_of
from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.summary import agent_line, json_ready, lean
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, RunError, cannot_write
from sandmle.core.types.episode import Episode
from sandmle.core.types.report import AgentSummary

_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class RescoreSummary:
    """What another preset makes of a run."""

    run_dir: str
    preset: str
    file: str
    """Where the rewards were written."""
    episodes: int
    rewarded: int
    """Of which have a reward; the others were failed by the infrastructure, or a milestone could not be computed."""
    agents: Sequence[AgentSummary]

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: json_ready(value) for name, value in asdict(self).items()}

    def as_text(self) -> str:
        """A few lines for a person."""
        head = f"{self.rewarded} of {self.episodes} episodes rewarded under {self.preset!r}, written to {self.file}"
        return "\n".join([head, *map(agent_line, self.agents)])


def rescore(toolkit: Toolkit, run_dir: Path, preset_name: str, out: Path | None = None) -> RescoreSummary:
    """Recompute every reward of a run and write them, one JSON line per episode, whole or not at all.

    Args:
        toolkit: knows the presets and the milestones.
        run_dir: a run directory, finished or not.
        preset_name: the reward preset.
        out: the file to write; None writes `rewards-<preset>.jsonl` into the run directory.

    Raises:
        ConfigError: no such preset or milestone.
        RunError: no run there, or the file cannot be written.
        PluginError: a milestone failed.
    """
    preset = open_preset(toolkit, preset_name)
    if out is None:
        if not _FILE_NAME.fullmatch(preset_name):
            raise ConfigError(f"{preset_name!r} cannot be part of a file name; say where to write with -o FILE")
        out = run_dir / f"rewards-{preset_name}.jsonl"
    rescored = [replace(lean(episode), reward=reward_of(episode, preset)) for episode in read_episodes(run_dir)]
    _write(out, rescored)
    return RescoreSummary(
        run_dir=str(run_dir),
        preset=preset_name,
        file=str(out),
        episodes=len(rescored),
        rewarded=sum(one.reward is not None and one.reward.total is not None for one in rescored),
        agents=summarize(rescored),
    )


def _write(out: Path, episodes: Sequence[Episode]) -> None:
    # Unlike the method of paths, it also answers for a name that is too long to be one.
    if os.path.isdir(out):
        raise RunError(f"cannot write {out}: it is a directory; name the file to write")
    check_output(out)
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            for episode in episodes:
                reward = asdict(episode.reward) if episode.reward else None
                key = {"episode_id": episode.episode_id, "task_id": episode.task_id, "slot": episode.slot}
                file.write(json.dumps({**key, "outcome": episode.outcome.value, "reward": reward}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    except OSError as problem:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise cannot_write(out, problem, RunError) from problem
