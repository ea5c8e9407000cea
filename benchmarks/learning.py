"""What a small policy learns on the learning corpus, beside controls that learn nothing.

    python benchmarks/learning.py --seeds 3 --json out.json

For every seed a corpus is made (`sandmle synth-splits`, with its own held-out rule families, seeds and tasks),
demonstrations of the scripted teacher are imitated, and GRPO goes on from there on the training tasks. The checkpoint
with the highest validation reward is evaluated on tasks whose families were never trained (`held-out`) and on new
tasks of known families (`fresh`). Every stage has a directory below OUT; the same command goes on where it was
stopped. Learning curves are drawn in `OUT/curves.svg`; all seeds together are judged at the end.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from learning_parts import stages
from learning_parts.figures import Interval, Played, pooled, read_played, summary
from learning_parts.fixed import PER_TASK, fixed_programs
from learning_parts.judging import IF_ELSE, RANDOM_RUNNING, SHUFFLED, TEACHER, gap_share, verdicts
from learning_parts.plot import svg
from learning_parts.tables import compared, curve, table

from sandmle.core.engine.config import parse_assignments
from sandmle.core.engine.summary import json_ready

SPLITS = ("held-out", "fresh")
ARMS = ("sft", "sft-medal", "rejection", "grpo-lora", "grpo-full", "grpo-lora-sparse")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """What came of one seed."""

    seed: int
    curves: dict[str, dict[str, Any]]
    """By arm."""
    played: dict[str, dict[str, list[Played]]]
    """By split and arm or control."""


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
        TEACHER: stages.evaluate(plan, "teacher", split, stages.TEACHER),
        **{arm: stages.evaluate(plan, arm, split, f"local/{path}") for arm, path in policies.items()},
    }
    for arm in policies:
        if arm == "grpo-lora":
            name = f"{arm}-{SHUFFLED}"
            runs[name] = stages.evaluate_shuffled(plan, name, split, f"local/{policies[arm]}", looked)
    runs[RANDOM_RUNNING] = stages.evaluate(plan, "random-running", split, stages.RANDOM_RUNNING)
    runs[IF_ELSE] = looked
    played = {name: read_played(run, tasks) for name, run in runs.items()}
    if not plan.fixed_tasks:
        return played
    return {**played, **fixed_programs(plan.toolkit({}), plan.manifest("train"), plan.fixed_tasks, tasks)}


def run_seed(plan: stages.Plan, arms: Sequence[str]) -> Seed:
    """Everything of one seed; prints as it goes."""
    stages.make_corpus(plan)
    policies = train(plan, arms)
    seed = Seed(seed=plan.seed, curves={}, played={})
    for arm in policies:
        if arm.startswith("grpo"):
            seed.curves[arm] = curve(policies[arm])
            print("\n".join((f"\nseed {plan.seed}, {arm}, by step", *seed.curves[arm]["lines"])), flush=True)
    for split in SPLITS:
        seed.played[split] = play(plan, split, policies)
        tell(f"seed {plan.seed}, {split}", seed.played[split])
    return seed


def tell(title: str, played: Mapping[str, Sequence[Played]]) -> dict[str, Any]:
    """Print the table of arms and what was asked for; gives both as data."""
    figures = {name: summary(rows) for name, rows in played.items()}
    judged = verdicts(played)
    print(f"\n{title}", table(figures), compared(judged), sep="\n", flush=True)
    found: dict[str, Any] = {"arms": figures, "differences": judged}
    if "grpo-lora" in played and PER_TASK in played:
        gap = gap_share(played, "grpo-lora", PER_TASK)
        print(
            f"grpo-lora over {gap.base}, the best that learns by imitation or not at all: {100 * gap.gain:+.1f} "
            f"percentage points, {gap.share:.0%} of the way from there to the best program per task",
            flush=True,
        )
        found["gap"] = asdict(gap)
    return found


def document(seeds: Sequence[Seed]) -> dict[str, Any]:
    """All seeds, and the arms that every one of them has, pooled."""
    together = {}
    for split in SPLITS:
        names = [name for name in seeds[0].played[split] if all(name in seed.played[split] for seed in seeds)]
        rows = {name: pooled([seed.played[split][name] for seed in seeds]) for name in names}
        together[split] = tell(f"{len(seeds)} seeds together, {split}", rows)
    return {
        "pooled": together,
        "seeds": [
            {
                "seed": seed.seed,
                "curves": seed.curves,
                "episodes": {
                    split: {name: [asdict(one) for one in rows] for name, rows in played.items()}
                    for split, played in seed.played.items()
                },
            }
            for seed in seeds
        ],
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=1, help="how many: first, first + 1, ...")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("learning"))
    parser.add_argument("--json", type=Path, help="file for all figures and the episodes they are over")
    parser.add_argument("--corpus", help="folder that `synth-splits` filled; {seed} becomes the seed; default: made")
    parser.add_argument("--sizes", default="192,16,24,36,6", help="tasks to train, validate, fresh, held-out; families")
    parser.add_argument("--arms", default=",".join(ARMS), help=f"of {', '.join(ARMS)}; sft is always made")
    parser.add_argument("--demonstrations", type=int, default=6, help="per training task")
    parser.add_argument("--episodes", type=int, default=4, help="per evaluation task")
    parser.add_argument(
        "--fixed-tasks",
        type=int,
        default=32,
        help="training tasks that fixed programs are chosen on; 0 for no fixed programs",
    )
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=16, help="demonstrations of one update of SFT")
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--tasks-per-step", type=int, default=8)
    parser.add_argument("--group-size", type=int, default=4)
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
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        root = arguments.out.resolve() / f"seed{seed}"
        corpus = Path(arguments.corpus.replace("{seed}", str(seed))).resolve() if arguments.corpus else root / "corpus"
        plan = stages.Plan(
            corpus=corpus,
            sizes=stages.sizes_of(arguments.sizes),
            root=root,
            seed=seed,
            demonstrations=arguments.demonstrations,
            episodes=arguments.episodes,
            fixed_tasks=arguments.fixed_tasks,
            epochs=arguments.epochs,
            batch=arguments.batch,
            steps=arguments.steps,
            tasks_per_step=arguments.tasks_per_step,
            group_size=arguments.group_size,
            options=parse_assignments(arguments.set),
        )
        seeds.append(run_seed(plan, arguments.arms.split(",")))
    everything = document(seeds)
    curves = {f"{name}, seed {seed.seed}": curve for seed in seeds for name, curve in seed.curves.items()}
    if curves:
        (arguments.out / "curves.svg").write_text(svg(curves), "utf-8")
    if arguments.json:
        arguments.json.write_text(json.dumps(json_ready(_plain(everything)), indent=1), "utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, Interval):
        return asdict(value)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    main()
