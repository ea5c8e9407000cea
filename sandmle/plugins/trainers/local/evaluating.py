"""Measures checkpoints on the validation tasks, and keeps the best one."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sandmle.core.engine.attempt import Crew
from sandmle.core.engine.evaluation import summarize
from sandmle.core.engine.recording import derived
from sandmle.core.engine.summary import json_ready
from sandmle.core.engine.tasks import Task
from sandmle.core.engine.toolkit import Toolkit
from sandmle.plugins.trainers.local.config import GrpoConfig
from sandmle.plugins.trainers.local.output import Output
from sandmle.plugins.trainers.local.playing import open_stage
from sandmle.plugins.trainers.local.surroundings import Surroundings


class Evaluator:
    """Plays the validation tasks every so many steps."""

    def __init__(
        self,
        toolkit: Toolkit,
        config: GrpoConfig,
        output: Output,
        crew: Crew,
        tasks: Sequence[Task],
        around: Surroundings,
    ) -> None:
        self._toolkit = toolkit
        self._config = config
        self._output = output
        self._crew = crew
        self._tasks = tasks
        self._around = around

    async def evaluate(self, step: int, version: int) -> None:
        """Evaluate the checkpoint of a step, when it is due and not done yet, and mark it when it is the best so far.

        Raises:
            Stopped: a drain was asked for.
            InfrastructureError: the machinery failed.
        """
        config = self._config
        due = config.evaluate_every and (step % config.evaluate_every == 0 or step == config.steps)
        if not (self._tasks and due):
            return
        if all(one["step"] != step for one in self._output.evaluations()):
            line = await self._measure(step, version)
            self._output.record_evaluation(line)
            self._around.tell(f"evaluation at step {step}: {line}")
            self._around.announce("evaluation", line)
        if best_step(self._output.evaluations(), config.best_by) == step:
            self._output.mark_best(step)

    async def _measure(self, step: int, version: int) -> dict[str, Any]:
        size = self._config.validation_group_size
        # The same random numbers at every step, so that evaluations differ by the policy alone.
        rng_seed = derived(self._toolkit.settings.run.rng_seed, "evaluation")
        sampling = replace(self._crew.sampling, rng_seed=rng_seed)
        crew = replace(self._crew, sampling=sampling, policy_version=version)
        folder = self._output.root / "evaluations" / f"{step:04d}"
        with open_stage(self._toolkit, folder, size, self._around.drain) as stage:
            groups = await stage.play(crew, self._tasks, size)
        # One name for all, whichever checkpoint path an earlier start opened the policy by.
        [agent] = summarize([replace(one, model=crew.model.name) for group in groups for one in group])
        means = {name: getattr(agent, name).mean for name in ("reward", "any_medal", "gold", "valid", "human_rank")}
        line: dict[str, Any] = json_ready(
            {"step": step, **means, "episodes": agent.episodes, "infrastructure_rate": agent.infrastructure_rate}
        )
        return line


def best_step(evaluations: Sequence[dict[str, Any]], by: str) -> int | None:
    """The step with the highest value, the earliest of equals; None when nothing was measured."""
    known = [one for one in evaluations if one[by] is not None and math.isfinite(one[by])]
    return max(known, key=lambda one: (one[by], -one["step"]))["step"] if known else None
