"""Does what a policy learns under one scaffold travel to the others?

    python benchmarks/generalization.py --seeds 2 --json out.json

For every seed: a scripted teacher demonstrates tasks under all scaffolds, a small policy imitates that (so it knows
every protocol), GRPO goes on from there under one scaffold only (`--trained`, react), and `sandmle matrix` measures
both policies, and a control that learns nothing, under every scaffold on tasks kept back, whose rule families were
trained on: what is asked is whether the skill travels between scaffolds, and not between rules. Gains are paired by
task, over all seeds; intervals resample rule families, then tasks, then episodes. Every stage has a directory below
OUT; the same command goes on where it was stopped.
"""

import argparse
import json
from pathlib import Path

from generalization_parts import stages
from generalization_parts.travel import as_json, journeys, table

from sandmle.core.engine.config import parse_assignments

OTHERS = ("codeact", "openai_tools", "mle_agent", "single_turn", "aide", "aira")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=2, help="how many: first, first + 1, ...")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("generalization"))
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--corpus", help="folder of task directories; {seed} becomes the seed; default: made")
    parser.add_argument("--tasks", type=int, default=40, help="made for a seed")
    parser.add_argument("--measured", type=int, default=12, help="of these, kept back to measure on")
    parser.add_argument("--trained", default="react", help="the scaffold that GRPO plays under")
    parser.add_argument("--others", default=",".join(OTHERS), help="scaffolds that are only imitated")
    parser.add_argument("--demonstrations", type=int, default=6, help="per training task and scaffold")
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--tasks-per-step", type=int, default=4)
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--episodes", type=int, default=4, help="per measured task, model and scaffold")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one configuration key")
    return parser.parse_args()


def plan_of(arguments: argparse.Namespace, seed: int) -> stages.Plan:
    """What one seed is played with."""
    root = arguments.out.resolve() / f"seed{seed}"
    corpus = Path(arguments.corpus.replace("{seed}", str(seed))).resolve() if arguments.corpus else root / "corpus"
    same = ("measured", "trained", "demonstrations", "epochs", "steps", "tasks_per_step", "group_size")
    return stages.Plan(
        seed=seed,
        root=root,
        corpus=corpus,
        tasks=None if arguments.corpus else arguments.tasks,
        others=[name for name in arguments.others.split(",") if name],
        episodes=arguments.episodes,
        options=parse_assignments(arguments.set),
        **{name: getattr(arguments, name) for name in same},
    )


def main() -> None:
    """Run every seed, put the matrices together, and say plainly where it travels and where not."""
    arguments = parse_arguments()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    matrices = [stages.run_seed(plan_of(arguments, seed)) for seed in seeds]
    found = journeys(matrices)
    print(table(found), "", *(one.said for one in found), sep="\n")
    if arguments.json:
        document = {"seeds": list(seeds), "scaffolds": [as_json(one) for one in found]}
        arguments.json.write_text(json.dumps(document, indent=1, allow_nan=False), "utf-8")


if __name__ == "__main__":
    main()
