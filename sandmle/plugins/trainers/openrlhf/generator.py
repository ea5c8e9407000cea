"""OpenRLHF's samples generator, where an episode may be invalid and a trajectory may be several sequences.

Stock, it keeps whatever comes, cuts the samples of a step to a fixed number of sequences, and keeps the rest for the
next step. Here groups are judged whole: those that the infrastructure failed for the most part are played again once,
those that teach nothing are left out, and every step takes all of its own sequences and none of another's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import ray
import torch
from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator, _collect_prompt_batch
from openrlhf.trainer.ray.vllm_engine import batch_vllm_engine_call
from openrlhf.utils.logging_utils import init_logger

from sandmle.core.errors import ProviderError
from sandmle.plugins.trainers.canaries.masks import Written
from sandmle.plugins.trainers.openrlhf.samples import (
    TRAINED,
    GroupVerdict,
    batch_figures,
    is_valid,
    judge_group,
    refilled,
    rows_of,
)
from sandmle.plugins.trainers.openrlhf.written import written_by

LOOK_S: Final = 10.0
"""Seconds between two looks at whether a group is played; only how often the process wakes up."""

log = init_logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Group:
    """One task being played."""

    number: int
    prompt: str
    label: str
    responses: list[Mapping[str, Any]] = field(default_factory=list)
    again: bool = False
    """Whether it is being played for the second time."""
    verdict: GroupVerdict | None = None


class SegmentSamplesGenerator(SamplesGenerator):  # type: ignore[misc]
    """Groups judged whole; one row per segment."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._dataloader_iter: Any = None
        self._evaluating = False
        self.before_rollouts: Callable[[], None] = _nothing
        """Called when the engines are awake, before any episode of a step."""
        self.figures: dict[str, float] = {}
        """Of the last step, over all of its episodes."""
        self.written: list[Written] = []
        """What the policy wrote in the episodes that the last step trains, by their records."""

    def generate_samples(self, **generate_kwargs: Any) -> tuple[list[Any], float | None, int, bool]:
        """The rows of one training step.

        Returns:
            Rows, the share of groups kept in percent (with dynamic filtering), prompts used, and whether the prompts
            are used up.

        Raises:
            ProviderError: the infrastructure failed every episode of the step.
        """
        if self._dataloader_iter is None:
            self._dataloader_iter = iter(self.prompts_dataloader)
        if self.args.vllm.enable_sleep:
            batch_vllm_engine_call(self.vllm_engines, "wake_up")
        try:
            self.before_rollouts()
            filtering = self.args.algo.dynamic_filtering_enable
            rows, used, exhausted = self._generate_vllm(
                self._dataloader_iter, self.args.rollout.batch_size, filtering, **generate_kwargs
            )
        finally:
            if self.args.vllm.enable_sleep:
                batch_vllm_engine_call(self.vllm_engines, "sleep")
        if exhausted:
            self._dataloader_iter = None
        kept = self.figures.get("groups/kept")
        return rows, 100 * kept if filtering and kept is not None else None, used, exhausted

    def generate_eval_samples(self, **generate_kwargs: Any) -> list[Any]:
        """One row per trajectory, groups whole: OpenRLHF's evaluation counts them off."""
        self._evaluating = True
        try:
            rows: list[Any] = super().generate_eval_samples(**generate_kwargs)
            return rows
        finally:
            self._evaluating = False

    def rows_of_played(self, responses: Sequence[Mapping[str, Any]], **generate_kwargs: Any) -> list[Any]:
        """The rows of one group that has been played already; none where it teaches nothing."""
        group = _Group(number=0, prompt="", label="", responses=list(responses))
        group.verdict = judge_group(responses, len(responses))
        return self._rows([group], len(responses), **generate_kwargs)

    def _generate_vllm(
        self, dataloader_iter: Any, num_prompts: int, dynamic_filtering: bool, **generate_kwargs: Any
    ) -> tuple[list[Any], int, bool]:
        prompts, labels, _, exhausted = _collect_prompt_batch(dataloader_iter, num_prompts)
        if not prompts:
            return [], 0, True
        size = generate_kwargs.get("n_samples_per_prompt", self.args.rollout.n_samples_per_prompt)
        bounds = tuple(self.args.algo.dynamic_filtering_range) if dynamic_filtering else None
        groups = [_Group(number=at, prompt=p, label=t) for at, (p, t) in enumerate(zip(prompts, labels, strict=True))]
        playing = self._play(groups, **generate_kwargs)
        while playing:
            ready, _ = ray.wait(list(playing), num_returns=1, timeout=LOOK_S)
            for reference in ready:
                group = playing.pop(reference)
                self._take(group, ray.get(reference), size, bounds)
                if group.verdict is None:
                    playing.update(self._play([group], **generate_kwargs))
                elif group.verdict is GroupVerdict.FILTERED and not exhausted:
                    more, tags, _, exhausted = _collect_prompt_batch(dataloader_iter, 1)
                    new = [_Group(number=len(groups), prompt=p, label=t) for p, t in zip(more, tags, strict=True)]
                    groups += new
                    playing.update(self._play(new, **generate_kwargs))
        return self._rows(groups, size, **generate_kwargs), len(groups), exhausted

    def _play(self, groups: Sequence[_Group], **generate_kwargs: Any) -> dict[Any, _Group]:
        if not groups:
            return {}
        references = self._dispatch_prompts_to_vllm(
            [one.prompt for one in groups], [one.label for one in groups], **generate_kwargs
        )
        return dict(zip(references, groups, strict=True))

    def _take(
        self,
        group: _Group,
        responses: Sequence[Mapping[str, Any]],
        size: int,
        bounds: tuple[float, float] | None,
    ) -> None:
        """Take what came of a group; without a verdict it is to be played again."""
        group.responses = refilled(group.responses, responses, size)
        verdict = judge_group(group.responses, size, bounds)
        lacking = sum(map(is_valid, group.responses)) < size if self._evaluating else verdict is GroupVerdict.TOO_FEW
        if lacking and not group.again:
            group.again = True
            return
        group.verdict = verdict
        if verdict is not GroupVerdict.KEPT:
            log.info("task %s: its group is %s", group.label, verdict.value)

    def _rows(self, groups: Sequence[_Group], size: int, **generate_kwargs: Any) -> list[Any]:
        verdicts = [one.verdict or GroupVerdict.TOO_FEW for one in groups]
        played = [one.responses for one in groups]
        self._refuse_outage(played)
        if self._evaluating:
            return self._evaluated(groups, size, **generate_kwargs)
        self.figures = batch_figures(played, verdicts)
        rows: list[Any] = []
        self.written = []
        trajectories = 0
        for group in groups:
            if group.verdict is not GroupVerdict.KEPT:
                continue
            for response in group.responses:
                made = rows_of(response, group=group.number, trajectory=trajectories)
                rows += [self._row(one, **generate_kwargs) for one in made]
                self.written += written_by(response, f"task {group.label}, trajectory {trajectories}")
                trajectories += 1
        return rows

    def _evaluated(self, groups: Sequence[_Group], size: int, **generate_kwargs: Any) -> list[Any]:
        whole = [one for one in groups if sum(map(is_valid, one.responses)) == size]
        if len(whole) < len(groups):
            left_out = ", ".join(one.label for one in groups if one not in whole)
            log.warning("left out of the evaluation, since the infrastructure failed them twice: %s", left_out)
        return [
            self._row(rows_of(response, group=one.number, trajectory=0)[0], **generate_kwargs)
            for one in whole
            for response in one.responses
        ]

    def _row(self, row: Mapping[str, Any], **generate_kwargs: Any) -> Any:
        experience = self._process_response_into_experience(row, **generate_kwargs)
        # Rewards that differ in the last bits of 64 must not become different ones in 32.
        experience.rewards = torch.tensor([row["reward"]], dtype=torch.float64)
        if not row["extra_logs"][TRAINED]:
            experience.action_mask.zero_()
            experience.response_length.zero_()
        return experience

    def _refuse_outage(self, played: Sequence[Sequence[Mapping[str, Any]]]) -> None:
        episodes = [one for group in played for one in group]
        if not any(map(is_valid, episodes)):
            raise ProviderError(
                f"the infrastructure failed all {len(episodes)} episodes of this step, on every try; training has "
                f"stopped, and the same command goes on from the last checkpoint. The last failure: "
                f"{episodes[-1]['failure']}"
            )


def _nothing() -> None:
    """Nobody wants to know."""
