"""GRPO, step by step: play groups, update, see that generator and trainer agree, checkpoint, evaluate.

The same call resumes from wherever it was killed: episodes played are in the step's own run directory, the
checkpoint before the step holds weights and optimizer, and every random choice derives from rng seed and step.
"""

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandmle.core.contracts.policy import TrainablePolicy
from sandmle.core.engine.attempt import Crew
from sandmle.core.engine.crews import check_names, open_crew
from sandmle.core.engine.lessons import Lesson, read_lessons, write_lessons
from sandmle.core.engine.recording import derived
from sandmle.core.engine.summary import json_ready
from sandmle.core.engine.tasks import Task
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError
from sandmle.plugins.trainers.canaries.toy import check_reward
from sandmle.plugins.trainers.holding import played_record, refuse_overlap
from sandmle.plugins.trainers.local.batches import MicroBatch
from sandmle.plugins.trainers.local.collecting import Collector
from sandmle.plugins.trainers.local.config import GrpoConfig, LocalTrainerConfig
from sandmle.plugins.trainers.local.evaluating import Evaluator, best_step
from sandmle.plugins.trainers.local.groups import Group, group_metrics, updates_behind, weighted
from sandmle.plugins.trainers.local.grpo import Grpo, UpdateReport
from sandmle.plugins.trainers.local.guarding import Guard, toy_learner
from sandmle.plugins.trainers.local.optimizing import Optimizer, prepare
from sandmle.plugins.trainers.local.output import Output, TrainerState, open_output
from sandmle.plugins.trainers.local.playing import Stopped, digests, read_tasks
from sandmle.plugins.trainers.local.policies import (
    PROVIDER,
    open_newest,
    open_policy,
    policy_provider,
    weights_digest,
)
from sandmle.plugins.trainers.local.surroundings import Surroundings, Tell, surrounded


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpoSummary:
    """What came of it."""

    out: str
    complete: bool
    steps: int
    best_step: int | None
    metrics: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]


async def run_grpo(
    toolkit: Toolkit, config: LocalTrainerConfig, *, tasks: Path, out: Path, drain: asyncio.Event, tell: Tell
) -> GrpoSummary:
    """Train the configured policy on the tasks below `tasks`; the same call resumes.

    Raises:
        UsageError: policy, tasks, configuration or directory cannot be used, or the loss is no finite number.
        InfrastructureError: the machinery failed, or something could not be written.
        PluginError: a plugin failed, or generates with other weights than those that are trained.
    """
    if config.policy is None:
        raise ConfigError("name the checkpoint to start from: --policy DIR, or plugin.trainer.local.policy")
    check_names(toolkit)
    training, validation = read_tasks(tasks), read_tasks(config.validation) if config.validation else []
    refuse_overlap(training, validation)
    record = _record_of(toolkit, config, training, validation)
    with (
        open_output(out, record) as output,
        surrounded(toolkit, out, config.grpo.steps, drain=drain, tell=tell) as around,
    ):
        lesson = Lesson(method="grpo", scaffolds=(toolkit.settings.run.scaffold,))
        write_lessons(out, (*read_lessons(config.policy), lesson))
        if output.newest() is None:
            if config.grpo.reward_canary:
                await _prove(toolkit, config, tell)
            await _begin(toolkit, config, output)
        newest = output.newest() or 0
        output.point_at_newest(newest)
        async with open_newest(toolkit, output, newest) as policy, open_crew(toolkit, policy) as crew:
            loop = GrpoLoop(toolkit, config, output, crew, policy, (training, validation), around)
            done = await loop.run(output.load(newest))
        return GrpoSummary(
            out=str(out),
            complete=done >= config.grpo.steps,
            steps=done,
            best_step=best_step(output.evaluations(), config.grpo.best_by),
            metrics=output.metrics(),
            evaluations=output.evaluations(),
        )


class GrpoLoop:
    """The steps of one training run."""

    def __init__(
        self,
        toolkit: Toolkit,
        config: LocalTrainerConfig,
        output: Output,
        crew: Crew,
        policy: TrainablePolicy,
        tasks: tuple[Sequence[Task], Sequence[Task]],
        around: Surroundings,
    ) -> None:
        self._toolkit = toolkit
        self._config = config.grpo
        self._output = output
        self._crew = crew
        self._policy = policy
        self._training, validation = tasks
        self._around = around
        self._rng_seed = toolkit.settings.run.rng_seed
        self._temperature = toolkit.settings.run.temperature
        if not config.grpo.adapter:
            policy.train_all()
        prepare(policy.module, config.grpo)
        self._optimizer = Optimizer(policy.module, config.grpo, config.grpo.rate(), config.grpo.steps)
        self._reference_path = config.policy
        self._version = 0
        self._guard = Guard(toolkit, policy)
        self._collector = Collector(toolkit, config.grpo, output.root, crew, self._training, around.drain)
        self._evaluator = Evaluator(toolkit, config.grpo, output, crew, validation, around)

    async def run(self, state: TrainerState) -> int:
        """Go on after `state.step` steps; gives how many are done in the end."""
        done, self._version = state.step, state.version
        if state.optimizer is not None:
            self._optimizer.restore(state.optimizer)
        if state.metrics is not None:
            self._output.record(state.metrics)
        grpo = Grpo(
            self._policy.module,
            self._config,
            self._temperature,
            await self._reference(),
            dtype=self._policy.dtype,
        )
        await self._guard.begin()
        try:
            await self._evaluator.evaluate(done, self._version)
            while done < self._config.steps:
                if self._around.drain.is_set():
                    raise Stopped
                await self._step(done + 1, grpo)
                done += 1
                await self._evaluator.evaluate(done, self._version)
        except Stopped:
            self._around.tell("stopped; the same command goes on from there")
        return done

    async def _reference(self) -> Any | None:
        if not self._config.kl:
            return None
        async with open_policy(self._toolkit, f"local/{self._reference_path}") as reference:
            return reference.module

    async def _step(self, step: int, grpo: Grpo) -> None:
        began = time.monotonic()
        groups = await self._collector.play(step, self._version)
        learned = groups
        if self._config.stale_steps:
            earlier = step - self._config.stale_steps
            learned = await self._collector.play(earlier, self._version) if earlier > 0 else []
        played = time.monotonic()
        behind = updates_behind(learned, self._version)
        report = await self._update(learned, step, grpo)
        gap = await self._guard.synced()
        trained = time.monotonic()
        line: dict[str, Any] = {
            "step": step,
            "policy_version": self._version,
            "learning_rate": self._optimizer.rate_at(step),
            **(asdict(report) if report else {"loss": None}),
            **group_metrics(groups),
            "infrastructure_after": self._collector.failure_rates(step),
            "updates_behind": behind,
            "canary_gap": gap,
            "seconds": {"play": round(played - began, 3), "train": round(trained - played, 3)},
        }
        line = json_ready(line)
        state = TrainerState(step=step, version=self._version, optimizer=self._optimizer.state(), metrics=line)
        self._output.save(self._policy, state, keep=self._config.keep_checkpoints)
        self._output.record(line)
        self._around.tell(_told(line))
        self._around.announce("step", line)

    async def _update(self, groups: Sequence[Group], step: int, grpo: Grpo) -> UpdateReport | None:
        """None when no group teaches anything: the weights stay as they are."""
        items = weighted(
            (group for group in groups if group.kept),
            mask_truncated=self._config.mask_truncated,
            masked_stops=self._config.masked_stops,
        )
        if not items:
            return None
        rng = random.Random(derived(self._rng_seed, "minibatches", step))
        kept = str(self._output.checkpoint(step - 1))
        episodes = [episode for group in groups for episode in group.episodes]
        self._policy.weights_changed()

        def seen(batches: Iterable[MicroBatch]) -> None:
            self._guard.audit(batches, episodes)

        try:
            report = await asyncio.to_thread(
                grpo.update, items, self._optimizer, step=step, rng=rng, kept=kept, seen=seen
            )
        finally:
            self._policy.weights_changed()
        self._version += 1
        return report


async def _prove(toolkit: Toolkit, config: LocalTrainerConfig, tell: Tell) -> None:
    """The reward canary, before anything is spent on the run itself."""
    report = await check_reward(toolkit, policy_provider(toolkit), toy_learner(config, run_grpo))
    report.require()
    tell(f"reward canary: from {report.rewards[0]:.2f} to {report.rewards[-1]:.2f} on a toy task")


async def _begin(toolkit: Toolkit, config: LocalTrainerConfig, output: Output) -> None:
    """Checkpoint 0: the policy that training begins with, its adapter on."""
    async with open_policy(toolkit, f"local/{config.policy}") as policy:
        if config.grpo.adapter:
            policy.add_adapter(config.grpo.adapter_shape(), derived(toolkit.settings.run.rng_seed, "adapter"))
        output.save(policy, TrainerState(step=0, version=0, optimizer=None, metrics=None), keep=1)


def _record_of(
    toolkit: Toolkit, config: LocalTrainerConfig, training: Sequence[Task], validation: Sequence[Task]
) -> dict[str, Any]:
    """What must not change between two starts of a run."""
    grpo: GrpoConfig = config.grpo
    return {
        "method": "grpo",
        **played_record(toolkit),
        "grpo": {
            **grpo.model_dump(mode="json", exclude_none=True, exclude={"reward_canary"}),
            "learning_rate": grpo.rate(),
        },
        "dtype": toolkit.settings.options("llm", PROVIDER).get("dtype", "float32"),
        "policy": weights_digest(config.policy) if config.policy else "",
        "tasks": digests(training),
        "validation": digests(validation),
    }


def _told(line: dict[str, Any]) -> str:
    def number(name: str) -> str:
        value = line.get(name)
        return "-" if value is None else f"{value:.3f}"

    shown = ("loss", "reward", "any_medal", "valid", "entropy", "grad_norm", "zero_variance")
    numbers = ", ".join(f"{name} {number(name)}" for name in shown)
    seconds = line["seconds"]
    return f"step {line['step']}: {numbers}; {seconds['play']:.1f} s play, {seconds['train']:.1f} s train"
