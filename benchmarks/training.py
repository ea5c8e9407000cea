"""What an update and a rollout cost, and what training does while the machinery fails.

    python benchmarks/training.py --json out.json

Makes a few tasks and a tiny policy that has imitated demonstrations on them, plays real episodes, and measures: one
GRPO update of ours and of TRL's GRPOTrainer on those episodes, in turns, in the environment of `make test-openrlhf`
(`--trl-python` names another; without one that comparison is left out, with the reason); rollouts beside generation
and the agent's own code; and training runs in which sandbox or provider fail for 1, 10 and 50 % of the episodes. On a
machine with anything else to do, times mean little and ratios not much more.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from training_parts import faults, rollouts
from training_parts.tables import ROLLOUT_LIMIT, UPDATE_LIMIT, as_markdown
from training_parts.world import World, make_world

TRL_PYTHON: Final = Path(__file__).parents[1] / ".venv-openrlhf" / "bin" / "python"
UPDATE: Final = Path(__file__).parent / "training_parts" / "update.py"
ONE_THREAD: Final = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
DEADLINE_S: Final = 400


async def measure(words: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Everything, the world first."""
    world = await asyncio.to_thread(
        lambda: make_world(root, tasks=words.tasks, demonstrations=10, epochs=words.epochs, rng_seed=words.rng_seed)
    )
    played = {}
    for at_once in (1, 16):
        folder = root / f"rollouts{at_once}"
        size = 1 if at_once == 1 else words.group_size
        played[at_once] = await rollouts.measure(world, folder, group_size=size, concurrency=at_once)
        _tell(f"rollouts, {at_once} at once: {played[at_once]}")
    update, left_out = await asyncio.to_thread(compare_updates, words, world, root / "rollouts16" / "run")
    _tell(f"updates: {update or left_out}")
    size = faults.Size(steps=words.steps, tasks=2, group_size=words.group_size)
    found = await faults.measure(world, root / "faults", size)
    return {
        "processors": len(os.sched_getaffinity(0)),
        "rng_seed": words.rng_seed,
        "update": update,
        "left_out": left_out,
        "rollouts": played,
        "faults": found,
        "holds": {
            "update": update and max(update["lora"]["ratio"], update["full"]["ratio"]) <= UPDATE_LIMIT,
            "rollout": max(one["ratio"] for one in played.values()) <= ROLLOUT_LIMIT,
            "unbiased": faults.unbiased(found),
        },
    }


def compare_updates(words: argparse.Namespace, world: World, run: Path) -> tuple[dict[str, Any] | None, str | None]:
    """Figures of one update, or why there are none."""
    python = words.trl_python
    if not python.is_file():
        return None, f"{python} is not there; `make test-openrlhf` makes it"
    # Of the policy's directory, the checkpoint that it points to.
    command = [python, UPDATE, (world.policy / "last").resolve(), run, "--repeats", str(words.repeats)]
    environment = {**os.environ, **ONE_THREAD, "HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}
    try:
        done = subprocess.run(
            [str(one) for one in command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"{python} was not done after {DEADLINE_S} s; the machine has too much else to do"
    if done.returncode:
        return None, f"{python} ended with {done.returncode}: {done.stderr.strip()[-500:]}"
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result, None


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print the tables, write the figures."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--json", type=Path, help="where the figures go")
    words.add_argument("--work", type=Path, help="directory to work in, kept; what is there already is not made again")
    words.add_argument("--tasks", type=int, default=6)
    words.add_argument("--epochs", type=int, default=8, help="of imitation")
    words.add_argument("--group-size", type=int, default=8)
    words.add_argument("--steps", type=int, default=2, help="of each training run with faults")
    words.add_argument("--repeats", type=int, default=5, help="updates of each trainer")
    words.add_argument("--rng-seed", type=int, default=3)
    words.add_argument("--trl-python", type=Path, default=TRL_PYTHON, help="of an environment with TRL and SandMLE")
    given = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="sandmle-training-") as folder:
        result = asyncio.run(measure(given, given.work or Path(folder)))
    print(as_markdown(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2), "utf-8")
    if not all(held is not False for held in result["holds"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
