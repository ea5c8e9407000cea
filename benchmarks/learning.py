"""What a small policy learns on the learning corpus, beside controls that learn nothing.

    python benchmarks/learning.py --corpus PARTS [--seeds 1] [--out learning] [--json FILE] [--steps 20] ...

PARTS is what `sandmle --config benchmarks/learning.toml synth-splits` writes; `{seed}` in it becomes the seed.
Demonstrations of the scripted teacher are imitated, GRPO goes on from there on the training tasks, the checkpoint
with the highest validation reward is evaluated on tasks whose families were never trained (`held-out`) and on new
tasks of known families (`fresh`). Every stage has a directory under OUT; the same command goes on where it was
stopped. Learning curves are drawn in `OUT/seedN/curves.svg`.
"""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from learning_parts import stages
from learning_parts.figures import Interval, Played, difference, read_played, summary
from learning_parts.fixed import fixed_programs
from learning_parts.plot import svg
from learning_parts.tables import compared, curve, table

from sandmle.core.engine.config import parse_assignments
from sandmle.core.engine.summary import json_ready

SPLITS = ("held-out", "fresh")
ARMS = ("sft", "sft-medal", "rejection", "grpo-lora", "grpo-full", "grpo-lora-sparse")
SHUFFLED = "shuffled"
WANTED_GAIN = 0.669
"""Relative gain in medal rate over SFT that is asked for."""


def train(plan: stages.Plan, arms: Sequence[str]) -> dict[str, Path]:
    """Policies by arm."""
    demos = stages.demonstrate(plan)
    policies = {"sft": stages.imitate(plan, "sft", demos)}
    for arm in arms:
        match arm:
            case "sft-medal":
                policies[arm] = stages.imitate(plan, arm, demos, keep="medal")
            case "rejection":
                episodes = plan.steps * plan.tasks_per_step * plan.group_size
                kept = stages.sample(plan, "rejection-episodes", policies["sft"], episodes)
                policies[arm] = stages.imitate(plan, arm, kept, keep="medal", start=policies["sft"])
            case "grpo-lora" | "grpo-full":
                policies[arm] = stages.learn(plan, arm, policies["sft"], adapter=arm == "grpo-lora")
            case "grpo-lora-sparse":
                policies[arm] = stages.learn(plan, arm, policies["sft"], adapter=True, reward="sparse")
    return policies


def play(plan: stages.Plan, split: str, policies: Mapping[str, Path]) -> dict[str, list[Played]]:
    """Every arm and control on one split."""
    tasks = plan.manifest(split)
    looked = stages.evaluate(plan, "conditional", split, stages.CONDITIONAL)
    runs = {
        "teacher": stages.evaluate(plan, "teacher", split, stages.TEACHER),
        **{arm: stages.evaluate(plan, arm, split, f"local/{path}") for arm, path in policies.items()},
    }
    for arm in policies:
        if arm == "grpo-lora":
            name = f"{arm}-{SHUFFLED}"
            runs[name] = stages.evaluate_shuffled(plan, name, split, f"local/{policies[arm]}", looked)
    runs["random running program"] = stages.evaluate(plan, "random-running", split, stages.RANDOM_RUNNING)
    runs["if/else program"] = looked
    played = {name: read_played(run, tasks) for name, run in runs.items()}
    return {**played, **fixed_programs(plan.toolkit({}), plan.manifest("train"), tasks)}


def verdicts(played: Mapping[str, Sequence[Played]]) -> list[dict[str, Any]]:
    """What was asked for, and whether it was reached: differences in medal rate with their intervals."""
    asked = [
        ("grpo-lora", base)
        for base in ("sft", "sft-medal", "rejection", "random running program", "best fixed program")
    ]
    asked += [("grpo-full", "sft"), ("grpo-lora", f"grpo-lora-{SHUFFLED}")]
    found: list[dict[str, Any]] = []
    for arm, base in asked:
        if arm not in played or base not in played:
            found.append({"arm": arm, "over": base, "reached": None})
            continue
        gain = difference(played[arm], played[base])
        below = summary(played[base])["medal"].mean
        relative = gain.mean / below if below else math.inf
        enough = relative >= WANTED_GAIN or base != "sft"
        found.append({"arm": arm, "over": base, "gain": gain, "relative": relative, "reached": enough and gain.low > 0})
    return found


def run_seed(plan: stages.Plan, arms: Sequence[str]) -> dict[str, Any]:
    """Everything of one seed; prints as it goes."""
    policies = train(plan, arms)
    document: dict[str, Any] = {"seed": plan.seed, "curves": {}, "splits": {}}
    for arm in policies:
        if arm.startswith("grpo"):
            document["curves"][arm] = curve(policies[arm])
            print("\n".join((f"\nseed {plan.seed}, {arm}, by step", *document["curves"][arm]["lines"])), flush=True)
    if document["curves"]:
        (plan.root / "curves.svg").write_text(svg(document["curves"]), "utf-8")
    for split in SPLITS:
        played = play(plan, split, policies)
        figures = {name: summary(rows) for name, rows in played.items()}
        judged = verdicts(played)
        print(f"\nseed {plan.seed}, {split}", table(figures), compared(judged), sep="\n", flush=True)
        document["splits"][split] = {
            "arms": figures,
            "differences": judged,
            "episodes": {name: [asdict(one) for one in rows] for name, rows in played.items()},
        }
    return document


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", required=True, help="directory of the parts; {seed} becomes the seed")
    parser.add_argument("--seeds", type=int, default=1, help="seeds 0, 1, ...")
    parser.add_argument("--out", type=Path, default=Path("learning"))
    parser.add_argument("--json", type=Path, help="file for all figures and the episodes they are over")
    parser.add_argument("--arms", default="sft,grpo-lora", help=f"of {', '.join(ARMS)}; sft is always made")
    parser.add_argument("--demonstrations", type=int, default=8, help="per training task")
    parser.add_argument("--episodes", type=int, default=4, help="per evaluation task")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=16, help="demonstrations of one update of SFT")
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--tasks-per-step", type=int, default=8)
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one configuration key")
    arguments = parser.parse_args()
    unknown = set(arguments.arms.split(",")) - set(ARMS)
    if unknown:
        parser.error(f"no arm named {', '.join(sorted(unknown))}; there are {', '.join(ARMS)}")
    return arguments


def main() -> None:
    """Run every seed and write what came of it."""
    arguments = parse_arguments()
    seeds = []
    for seed in range(arguments.seeds):
        plan = stages.Plan(
            corpus=Path(arguments.corpus.replace("{seed}", str(seed))).resolve(),
            root=arguments.out.resolve() / f"seed{seed}",
            seed=seed,
            demonstrations=arguments.demonstrations,
            episodes=arguments.episodes,
            epochs=arguments.epochs,
            batch=arguments.batch,
            steps=arguments.steps,
            tasks_per_step=arguments.tasks_per_step,
            group_size=arguments.group_size,
            options=parse_assignments(arguments.set),
        )
        seeds.append(run_seed(plan, arguments.arms.split(",")))
        if arguments.json:
            arguments.json.write_text(json.dumps(json_ready(_plain(seeds)), indent=1), "utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, Interval):
        return asdict(value)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    main()
