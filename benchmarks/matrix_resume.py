"""Does a matrix that was killed without warning and resumed give the table of one that was not?

    python benchmarks/matrix_resume.py --json out.json

`sandmle matrix` is run twice as the program itself on the same tasks (sixteen are made unless `--tasks` names some):
once undisturbed, and once killed by SIGKILL (`--kills`) at random moments of even stretches of its episodes, and
resumed each time by the same command. Both tables must be the same in every figure, and in both records every slot
must hold one episode, the same one but for its times. Exits with 1 where that is not so.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.store import read_episodes
from sandmle.core.types.episode import Episode, Timings
from sandmle.core.types.trajectory import Trajectory

MODELS: Final = "weak=offline/agent-weak,agent=offline/agent,strong=offline/agent-strong"
SCAFFOLDS: Final = "react,aide,mle_agent,codeact,single_turn"
TIMELESS: Final = "plugin.scaffold.mle_agent.show_time=false"
"""The seconds left, told in a prompt, are other ones in every run."""
POLL_S: Final = 0.05


class Matrix:
    """One matrix on disk, and the command that plays it."""

    def __init__(self, words: Sequence[str], out: Path) -> None:
        self.out = out
        self._command = [sys.executable, "-m", "sandmle.cli", "matrix", *words, "-o", str(out), "--json"]
        self.wall_s = 0.0

    def play(self) -> dict[str, Any]:
        """Play what is left of it, and give its table, with no word of where it lies."""
        began = time.monotonic()
        ended = subprocess.run(self._command, stdout=subprocess.PIPE, text=True, check=True)
        self.wall_s += time.monotonic() - began
        table: dict[str, Any] = json.loads(ended.stdout.replace(str(self.out), "OUT"))
        return table

    def killed_at(self, episodes: int) -> int | None:
        """Play until so many episodes are on record, then kill it.

        Returns:
            How many were on record when it was killed; None when it came to its end before.
        """
        began = time.monotonic()
        with subprocess.Popen(self._command, stdout=subprocess.DEVNULL) as process:
            while self.recorded() < episodes and process.poll() is None:
                time.sleep(POLL_S)
            is_over = process.poll() is not None
            os.kill(process.pid, signal.SIGKILL) if not is_over else None
        self.wall_s += time.monotonic() - began
        return None if is_over else self.recorded()

    def recorded(self) -> int:
        """Episodes on record."""
        return sum(file.read_bytes().count(b"\n") for file in self.out.glob("runs/*/*/episodes.jsonl"))

    def episodes(self) -> list[tuple[str, Episode]]:
        """Every one of them with its cell, in one order, and with nothing in it that only says when or how long."""
        folders = sorted(file.parent for file in self.out.glob("runs/*/*/episodes.jsonl"))
        found = [
            (str(folder.relative_to(self.out)), _timeless(one)) for folder in folders for one in read_episodes(folder)
        ]
        return sorted(found, key=lambda one: (one[0], one[1].episode_id))


def _timeless(episode: Episode) -> Episode:
    steps = tuple(replace(step, wall_s=0.0) for step in episode.trajectory.steps)
    trajectory = Trajectory(segments=episode.trajectory.segments, steps=steps)
    return replace(episode, trajectory=trajectory, timings=Timings(), started_at="", attempts=1)


def compare(words: Sequence[str], folder: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Both matrices, and what is not the same in them."""
    whole, broken = Matrix(words, folder / "whole"), Matrix(words, folder / "killed")
    expected = whole.play()
    count = whole.recorded()
    killed: list[int] = []
    for number in range(kills):
        # Somewhere in its stretch, so that kills fall into different cells and states.
        at = round(count * (number + rng.random()) / kills)
        if (seen := broken.killed_at(max(1, at))) is not None:
            killed.append(seen)
            print(f"killed with {seen} of {count} episodes on record", file=sys.stderr, flush=True)
    resumed = broken.play()
    return {
        "episodes": count,
        "killed_at": killed,
        "cells": len(expected["cells"]),
        "wall_s": {"whole": whole.wall_s, "killed": broken.wall_s},
        "table": expected,
        "problems": [*problems(expected, resumed, whole, broken), *_too_late(kills - len(killed))],
    }


def _too_late(missing: int) -> Sequence[str]:
    return [f"{missing} kills came too late: it had come to its end; give more tasks or a larger -k"] if missing else []


def problems(expected: dict[str, Any], resumed: dict[str, Any], whole: Matrix, broken: Matrix) -> list[str]:
    """What is not as it should be: in the tables, and in the episodes on record."""
    found = []
    if not expected["complete"] or not resumed["complete"]:
        found.append("a matrix is not complete")
    # As text, since a figure that is not a number does not equal itself.
    if json.dumps(expected, sort_keys=True) != json.dumps(resumed, sort_keys=True):
        cells = zip(expected["cells"], resumed["cells"], strict=False)
        other = [f"{one['name']} under {one['scaffold']}" for one, two in cells if json.dumps(one) != json.dumps(two)]
        found.append(f"the tables differ: {', '.join(other) or 'beside their cells'}")
    one, two = whole.episodes(), broken.episodes()
    slots = Counter((cell, episode.episode_id) for cell, episode in two)
    if slots != Counter((cell, episode.episode_id) for cell, episode in one) or set(slots.values()) != {1}:
        found.append("not every slot holds exactly one episode")
    elif differing := [f"{cell}: {a.episode_id}" for (cell, a), (_, b) in zip(one, two, strict=True) if a != b]:
        found.append(f"{len(differing)} of {len(one)} episodes differ, such as {differing[0]}")
    return found


def as_text(figures: dict[str, Any]) -> str:
    """A few lines for a person."""
    walls = figures["wall_s"]
    lines = [
        f"{figures['cells']} cells, {figures['episodes']} episodes; killed with {figures['killed_at']} on record; "
        f"{walls['whole']:.0f} s undisturbed, {walls['killed']:.0f} s in {len(figures['killed_at']) + 1} starts",
        "the same table and the same episodes" if not figures["problems"] else "NOT THE SAME",
    ]
    return "\n".join([*lines, *(f"  PROBLEM: {problem}" for problem in figures["problems"])])


def main() -> int:
    """Play, kill, resume, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--scaffolds", default=SCAFFOLDS)
    parser.add_argument("--tasks", type=Path, help="a directory of tasks; else so many are made as --count says")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("-k", type=int, default=4, help="episodes of a task in every cell")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--set", action="append", default=[], help="a setting of both, such as run.max_turns=6")
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="matrix-") as directory:
        folder = Path(directory)
        tasks = words.tasks or folder / "tasks"
        if words.tasks is None:
            make = [sys.executable, "-m", "sandmle.cli", "synth", "-n", str(words.count), "-o", str(tasks)]
            subprocess.run(make, check=True, stdout=sys.stderr)
        given = ["--models", words.models, "--scaffolds", words.scaffolds, "--tasks", str(tasks), "-k", str(words.k)]
        for setting in [TIMELESS, *words.set]:
            given += ["--set", setting]
        figures = compare(given, folder, words.kills, random.Random(words.seed))
    print(as_text(figures))
    if words.json:
        words.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return int(bool(figures["problems"]))


if __name__ == "__main__":
    sys.exit(main())
