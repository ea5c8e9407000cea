"""The stages of one seed, each in a directory of its own that the same call resumes."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learning_parts.shuffling import ShuffledToolkit, read_swaps
from sandmle.core.engine.interrupts import run_until_interrupted
from sandmle.core.engine.runs import run_tasks
from sandmle.core.engine.toolkit import Toolkit, open_toolkit
from sandmle.core.hooks.registry import Kind
from sandmle.plugins.synthesizer.learning_corpus import Sizes, make_split
from sandmle.plugins.trainers.local.config import LocalTrainerConfig
from sandmle.plugins.trainers.local.loop import run_grpo
from sandmle.plugins.trainers.local.sft import run_sft

CONFIG = Path(__file__).parents[1] / "learning.toml"
MAX_TOKENS = 64
"""Of one turn; a program of the table is about 25 tokens under the policy's own tokenizer."""
STOPPED_SHORT = 3
TEACHER = "offline/demonstrator"
CONDITIONAL = "offline/demonstrator-conditional"
RANDOM_RUNNING = "offline/random-running-program"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a seed is played with."""

    corpus: Path
    """With train.txt, validation.txt, fresh.txt and held-out.txt; made if it is not there."""
    sizes: Sizes
    root: Path
    seed: int
    demonstrations: int
    """Per training task."""
    episodes: int
    """Per evaluation task."""
    fixed_tasks: int
    """Training tasks that fixed programs are chosen on: their whole grid is run on each. 0 for no fixed programs."""
    epochs: int
    batch: int
    """Demonstrations of one update of SFT."""
    steps: int
    tasks_per_step: int
    group_size: int
    options: Mapping[str, Any]
    """Dotted configuration keys over everything else."""

    def manifest(self, split: str) -> Path:
        return self.corpus / f"{split}.txt"

    def toolkit(self, words: Mapping[str, Any]) -> Toolkit:
        common = {"run.rng_seed": self.seed, "run.trackers": []}
        return open_toolkit(file=CONFIG, overrides={**common, **self.options, **words})


def sizes_of(text: str) -> Sizes:
    """From five numbers with commas between: tasks to train, validate, fresh, held-out, and held-out families.

    Raises:
        ValueError: it is not five numbers.
    """
    train, validation, fresh, held_out, families = (int(word) for word in text.split(","))
    return Sizes(train=train, validation=validation, fresh=fresh, held_out=held_out, families=families)


def make_corpus(plan: Plan) -> None:
    """The corpus of a seed in its parts, unless it is there."""
    if plan.manifest("train").exists():
        return
    _tell(f"making {plan.corpus}")
    toolkit = open_toolkit(file=CONFIG, overrides={})
    _, table = run_until_interrupted(lambda drain: make_split(toolkit, plan.corpus, plan.sizes, plan.seed, drain=drain))
    _go_on(table is not None)


def demonstrate(plan: Plan) -> Path:
    """Episodes of the scripted teacher on the training tasks."""
    return _played(plan.toolkit(_on(plan, "train", TEACHER, plan.demonstrations)), plan.root / "demos")


def imitate(plan: Plan, name: str, demos: Path, *, keep: str = "all", start: Path | None = None) -> Path:
    """A policy that imitates `demos`; made from scratch unless it starts from another."""
    out = plan.root / name
    words = {
        "plugin.trainer.local.sft.keep": keep,
        "plugin.trainer.local.sft.epochs": plan.epochs,
        "plugin.trainer.local.sft.batch_sequences": plan.batch,
        **({"plugin.trainer.local.policy": str(start)} if start else {}),
    }
    toolkit, config = _trainer(plan, words)
    tasks = plan.manifest("train")
    done = run_until_interrupted(
        lambda drain: run_sft(toolkit, config, demos=[demos], tasks=tasks, out=out, drain=drain, tell=_tell)
    )
    _go_on(done.complete)
    return out


def learn(plan: Plan, name: str, start: Path, *, adapter: bool, reward: str = "release") -> Path:
    """GRPO from `start`; its `best` is the checkpoint with the highest reward on the validation tasks."""
    out = plan.root / name
    grpo = {
        "adapter": adapter,
        "steps": plan.steps,
        "tasks_per_step": plan.tasks_per_step,
        "group_size": plan.group_size,
        "best_by": "reward",
    }
    words = {
        "plugin.trainer.local.policy": str(start),
        "plugin.trainer.local.validation": str(plan.manifest("validation")),
        **{f"plugin.trainer.local.grpo.{key}": value for key, value in grpo.items()},
        "run.reward": reward,
        "run.max_tokens": MAX_TOKENS,
        **plan.options,
    }
    toolkit, config = _trainer(plan, words)
    tasks = plan.manifest("train")
    done = run_until_interrupted(lambda drain: run_grpo(toolkit, config, tasks=tasks, out=out, drain=drain, tell=_tell))
    _go_on(done.complete)
    return out


def sample(plan: Plan, name: str, policy: Path, episodes: int) -> Path:
    """About as many episodes of a policy on the training tasks as GRPO plays, for rejection sampling."""
    each = max(1, round(episodes / len(plan.manifest("train").read_text("utf-8").split())))
    return _played(plan.toolkit(_on(plan, "train", f"local/{policy}", each)), plan.root / name)


def evaluate(plan: Plan, name: str, split: str, model: str) -> Path:
    """Episodes of a model on an evaluation split."""
    out = plan.root / "evaluations" / split / name
    return _played(plan.toolkit(_on(plan, split, model, plan.episodes)), out)


def evaluate_shuffled(plan: Plan, name: str, split: str, model: str, seen_by: Path) -> Path:
    """The same, with the question and the look of another task; `seen_by` is a run that looked at every task."""
    base = plan.toolkit(_on(plan, split, model, plan.episodes))
    toolkit = ShuffledToolkit(plugins=base.plugins, settings=base.settings, swapped=read_swaps(seen_by, plan.seed))
    return _played(toolkit, plan.root / "evaluations" / split / name)


def _on(plan: Plan, split: str, model: str, episodes: int) -> dict[str, Any]:
    return {
        "run.benchmark": "corpus",
        "plugin.benchmark.corpus.path": str(plan.manifest(split)),
        "run.model": model,
        "run.group_size": episodes,
        **({"run.max_tokens": MAX_TOKENS} if model.startswith("local/") else {}),
    }


def _played(toolkit: Toolkit, out: Path) -> Path:
    _tell(f"playing {out}")
    _go_on(run_until_interrupted(lambda drain: run_tasks(toolkit, out, drain)).complete)
    return out


def _trainer(plan: Plan, words: Mapping[str, Any]) -> tuple[Toolkit, LocalTrainerConfig]:
    toolkit = plan.toolkit(words)
    return toolkit, LocalTrainerConfig.model_validate(toolkit.settings.options(Kind.TRAINER, "local"))


def _go_on(complete: bool) -> None:
    if not complete:
        _tell("stopped short; the same command goes on from there")
        sys.exit(STOPPED_SHORT)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
