"""A few tasks and a tiny policy that has imitated demonstrations on them, made by the program's own commands."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CONFIG: Final = Path(__file__).parents[1] / "learning.toml"
TEACHER: Final = "offline/demonstrator"
MAX_TOKENS: Final = 64
"""Of one turn of the policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What everything is measured with."""

    tasks: Path
    policy: Path
    rng_seed: int

    def words(self, **more: Any) -> dict[str, Any]:
        """Dotted configuration keys of a rollout."""
        return {
            "run.rng_seed": self.rng_seed,
            "run.trackers": [],
            "run.max_tokens": MAX_TOKENS,
            "run.scaffold": "react",
            **{key.replace("__", "."): value for key, value in more.items()},
        }


def make_world(root: Path, *, tasks: int, demonstrations: int, epochs: int, rng_seed: int) -> World:
    """Make tasks, demonstrations and the policy below `root`, whatever of it is not there yet."""
    world = World(tasks=root / "tasks", policy=root / "sft", rng_seed=rng_seed)
    seeded = ("--rng-seed", str(rng_seed))
    demos = root / "demos"
    played = ("--tasks", str(world.tasks), "--model", TEACHER, "-k", str(demonstrations), "--set", "run.trackers=[]")
    batch = ("--set", "plugin.trainer.local.sft.batch_sequences=8")
    imitated = ("--demos", str(demos), "--tasks", str(world.tasks), "--epochs", str(epochs), *batch)
    stages: list[tuple[Path, tuple[str, ...]]] = [
        (world.tasks, ("synth", "-n", str(tasks))),
        (demos, ("run", *played)),
        (world.policy, ("train", "sft", *imitated)),
    ]
    for out, words in stages:
        done = root / f"{out.name}.done"
        if not done.exists():
            _sandmle(*words, *seeded, "-o", str(out))
            done.touch()
    return world


def _sandmle(*words: str) -> None:
    print("sandmle", *words, file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "sandmle.cli", "--config", str(CONFIG), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
