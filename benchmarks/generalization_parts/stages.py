"""The stages of one seed, each in a directory of its own that the same call resumes."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generalization_parts.parting import demonstrated, part
from generalization_parts.travel import AFTER, BEFORE
from sandmle.core.engine.interrupts import run_until_interrupted
from sandmle.core.engine.matrix import play_matrix
from sandmle.core.engine.runs import run_tasks
from sandmle.core.engine.tasks import list_tasks
from sandmle.core.engine.toolkit import Toolkit, open_toolkit
from sandmle.core.hooks.registry import Kind
from sandmle.plugins.synthesizer.drafter import make_corpus
from sandmle.plugins.trainers.local.config import LocalTrainerConfig
from sandmle.plugins.trainers.local.loop import run_grpo
from sandmle.plugins.trainers.local.sft import run_sft

CONFIG = Path(__file__).parents[1] / "generalization.toml"
TEACHER = "offline/demonstrator"
CONTROL = "offline/random-running-program"
LUCK = "random"
STOPPED_SHORT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a seed is played with."""

    seed: int
    root: Path
    corpus: Path
    """A folder of task directories."""
    tasks: int | None
    """To be made there; None takes those that are there."""
    measured: int
    """Of the tasks, kept back to measure on."""
    trained: str
    """The scaffold that GRPO plays under."""
    others: Sequence[str]
    demonstrations: int
    """Per training task and scaffold that it is demonstrated under."""
    epochs: int
    steps: int
    tasks_per_step: int
    group_size: int
    episodes: int
    """Per measured task, policy and scaffold."""
    options: Mapping[str, Any]
    """Dotted configuration keys over everything else."""

    def manifest(self, name: str) -> Path:
        return self.root / f"{name}.txt"

    def toolkit(self, words: Mapping[str, Any]) -> Toolkit:
        common = {"run.rng_seed": self.seed, "run.trackers": []}
        return open_toolkit(file=CONFIG, overrides={**common, **self.options, **words})


def run_seed(plan: Plan) -> Path:
    """Everything of one seed; gives the directory of its matrix."""
    plan.root.mkdir(parents=True, exist_ok=True)
    _make_corpus(plan)
    _write_manifests(plan)
    demos = [_demonstrate(plan, scaffold) for scaffold in (plan.trained, *plan.others)]
    before = _imitate(plan, [one for one in demos if one is not None])
    after = _learn(plan, before)
    return _measure(plan, before, after)


def _make_corpus(plan: Plan) -> None:
    if plan.tasks is None:
        return
    wanted = plan.tasks
    _tell(f"making {plan.corpus}")
    made = run_until_interrupted(
        lambda drain: make_corpus(plan.toolkit({}), plan.corpus, wanted, plan.seed, drain=drain)
    )
    _go_on(made.complete)


def _write_manifests(plan: Plan) -> None:
    tasks = {task.spec.task_id: task for task in list_tasks(plan.corpus)}
    families = {task_id: task.spec.rule_family for task_id, task in tasks.items()}
    train, measured = part(families, plan.measured, plan.seed)
    parts = {"train": train, "measured": measured}
    for scaffold, under in demonstrated(train, plan.trained, plan.others).items():
        parts[f"demonstrated-{scaffold}"] = under
    for name, task_ids in parts.items():
        lines = [str(tasks[task_id].layout.root.resolve()) for task_id in task_ids]
        plan.manifest(name).write_text("\n".join(lines) + "\n", "utf-8")


def _demonstrate(plan: Plan, scaffold: str) -> Path | None:
    """Episodes of the scripted teacher; None when no training task is demonstrated under this scaffold."""
    tasks = plan.manifest(f"demonstrated-{scaffold}")
    if not tasks.exists():
        return None
    out = plan.root / "demonstrations" / scaffold
    _tell(f"demonstrating under {scaffold}")
    toolkit = plan.toolkit(
        {
            "plugin.benchmark.corpus.path": str(tasks),
            "run.model": TEACHER,
            "run.scaffold": scaffold,
            "run.group_size": plan.demonstrations,
            "run.max_tokens": 4096,
        }
    )
    _go_on(run_until_interrupted(lambda drain: run_tasks(toolkit, out, drain)).complete)
    return out


def _imitate(plan: Plan, demos: Sequence[Path]) -> Path:
    out = plan.root / BEFORE
    toolkit, config = _trainer(plan, {"plugin.trainer.local.sft.epochs": plan.epochs})
    tasks = plan.manifest("train")
    done = run_until_interrupted(
        lambda drain: run_sft(toolkit, config, demos=demos, tasks=tasks, out=out, drain=drain, tell=_tell)
    )
    _go_on(done.complete)
    return out


def _learn(plan: Plan, start: Path) -> Path:
    out = plan.root / AFTER
    grpo = {"steps": plan.steps, "tasks_per_step": plan.tasks_per_step, "group_size": plan.group_size}
    words = {
        "plugin.trainer.local.policy": str(start),
        "run.scaffold": plan.trained,
        **{f"plugin.trainer.local.grpo.{key}": value for key, value in grpo.items()},
    }
    toolkit, config = _trainer(plan, words)
    tasks = plan.manifest("train")
    done = run_until_interrupted(lambda drain: run_grpo(toolkit, config, tasks=tasks, out=out, drain=drain, tell=_tell))
    _go_on(done.complete)
    return out


def _measure(plan: Plan, before: Path, after: Path) -> Path:
    out = plan.root / "matrix"
    words = {"plugin.benchmark.corpus.path": str(plan.manifest("measured")), "run.group_size": plan.episodes}
    models = {BEFORE: f"local/{before}", AFTER: f"local/{after}", LUCK: CONTROL}
    scaffolds = (plan.trained, *plan.others)
    played = run_until_interrupted(lambda drain: play_matrix(plan.toolkit(words), models, scaffolds, out, drain, _tell))
    _go_on(not played.interrupted and not played.failures)
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
