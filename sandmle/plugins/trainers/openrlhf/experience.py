"""OpenRLHF's experience maker, with a validity mask and segments.

Stock, advantages are made by reshaping the rewards of all samples into groups of n. Here each row says by its marks
(`samples.py`) whose it is: an invalid trajectory enters no statistic, each trajectory counts once in the mean and the
deviation of its group however many segments it has, and all of its segments get its advantage. The statistics are
`core/engine/advantage.py`'s own. Rows in which nothing is trained have an action mask of zeros, which OpenRLHF's losses
leave out of their sums and of what these are divided by.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import Any, Final

import torch
from openrlhf.models.utils import compute_reward
from openrlhf.trainer.ppo_utils.experience import Experience
from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker

from sandmle.core.engine.advantage import Estimator, group_advantages
from sandmle.core.errors import ConfigError, nearest
from sandmle.plugins.trainers.openrlhf.samples import (
    FILLER_ID,
    FILLER_TOKENS,
    GROUP,
    MARKS,
    NO_GROUP,
    TRAJECTORY,
    VALID,
)

PER_ROW_MEANS: Final = ("kl", "logprobs_diff")
"""Figures that are 0/0 for a row in which nothing is trained."""


def optimizer_steps(args: Any) -> int:
    """Optimizer steps of one pass over a rollout batch, however many sequences its trajectories have."""
    trajectories = args.rollout.batch_size * args.rollout.n_samples_per_prompt
    return max(1, int(trajectories // args.train.batch_size))


def ranks(args: Any) -> int:
    """Training processes that take sequences of their own."""
    shared = args.ds.ring_attn_size * args.ds.tensor_parallel_size
    return int(args.actor.num_nodes * args.actor.num_gpus_per_node // shared)


def aligned(count: int, args: Any) -> int:
    """The least number of rows, at least `count`, that every process and every optimizer step gets an equal share of.

    OpenRLHF hands the rest to some processes only, which then wait for one another for ever, and carries the gradient
    of a window that is not full into the next step.
    """
    per_process = math.lcm(args.rollout.micro_batch_size, args.train.micro_batch_size * optimizer_steps(args))
    unit = ranks(args) * per_process
    return -(-count // unit) * unit


class SegmentExperienceMaker(RemoteExperienceMaker):  # type: ignore[misc]
    """Advantages over valid trajectories."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Refuse what has no meaning for segments.

        Raises:
            ConfigError: an estimator that is no group's, or a penalty by a length that segments do not have.
        """
        super().__init__(*args, **kwargs)
        known = [one.value for one in Estimator]
        if self.advantage_estimator not in known:
            raise ConfigError(
                f"--algo.advantage.estimator {self.advantage_estimator}: {nearest(self.advantage_estimator, known)}"
            )
        for name in ("overlong_buffer_len", "stop_properly_penalty_coef"):
            if getattr(self.args.reward, name, None) is not None:
                raise ConfigError(f"--reward.{name} changes rewards by the length of one sequence; leave it out")
        self.before_update: Callable[[Sequence[Any]], None] = lambda batches: None
        """Called with the batches of a step, as they are about to be handed to the policy actors."""
        self.rollout_gap = math.nan
        """Mean absolute difference between the log-probs of engine and trainer in the last step, nats per token."""

    def make_experience_batch(self, rollout_samples: list[Any]) -> list[Any]:
        """As stock, shown to whoever wants to look before it is trained on."""
        batches: list[Any] = super().make_experience_batch(rollout_samples)
        self.before_update(batches)
        return batches

    def split_rollout_samples(self, rollout_samples: list[Any]) -> list[Any]:
        """Micro-batches of all rows, and of as many that train nothing as make the number of rows even."""
        missing = aligned(len(rollout_samples), self.args) - len(rollout_samples)
        batches: list[Any] = super().split_rollout_samples(
            [*rollout_samples, *(_filler(rollout_samples[0]) for _ in range(missing))]
        )
        return batches

    def make_experience(self, samples_list: list[Any]) -> list[Any]:
        """Log-probs of all rows, as stock."""
        made: list[Any] = super().make_experience(samples_list)
        for batch in made:
            for name in PER_ROW_MEANS:
                batch.info[name] = torch.nan_to_num(batch.info[name])
        self.rollout_gap = _gap(made)
        return made

    def compute_advantages_and_returns(self, experiences: list[Any]) -> list[Any]:
        """Advantages within groups, over valid trajectories; rows of groups that teach nothing are not trained."""
        found = self._advantages(experiences)
        at = 0
        for batch in experiences:
            count = len(batch.sequences)
            self._spread(batch, found[at : at + count])
            at += count
        _fill_figures(experiences)
        return experiences

    def _advantages(self, experiences: Sequence[Any]) -> list[float | None]:
        """One per row, in order; None where nothing is to be trained."""
        rewards = torch.cat([one.rewards for one in experiences]).tolist()
        marks = {name: torch.cat([one.info[name] for one in experiences]).tolist() for name in MARKS}
        groups: dict[int, dict[int, float]] = {}
        for row, reward in enumerate(rewards):
            if marks[VALID][row]:
                trajectories = groups.setdefault(int(marks[GROUP][row]), {})
                known = trajectories.setdefault(int(marks[TRAJECTORY][row]), reward)
                if known != reward:
                    raise ValueError(f"trajectory {marks[TRAJECTORY][row]:g} has the rewards {known} and {reward}")
        by_trajectory: dict[int, float | None] = {}
        for trajectories in groups.values():
            judged = group_advantages(list(trajectories.values()), Estimator(self.advantage_estimator))
            by_trajectory |= dict(zip(trajectories, judged.advantages, strict=True))
        return [
            by_trajectory[int(trajectory)] if valid else None
            for trajectory, valid in zip(marks[TRAJECTORY], marks[VALID], strict=True)
        ]

    def _spread(self, batch: Any, advantages: Sequence[float | None]) -> None:
        """A row's advantage onto each of its sampled tokens, as stock: by the return after its last one."""
        for row, advantage in enumerate(advantages):
            if advantage is None:
                batch.action_mask[row] = 0
        reward = compute_reward(
            torch.tensor([advantage or 0.0 for advantage in advantages], dtype=torch.float32),
            self.kl_ctl.value,
            batch.kl,
            action_mask=batch.action_mask,
            reward_clip_range=self.args.reward.clip_range,
        )
        batch.returns = self.get_cumulative_returns(reward, batch.action_mask, 1.0)
        batch.advantages = batch.returns.clone()
        batch.info["return"] = (reward * batch.action_mask).sum(dim=-1)
        batch.kl = None


def trained_rows(batches: Sequence[Any]) -> Iterator[tuple[int, ...]]:
    """The ids that the loss looks at, as the tensors have them, one tuple for each row in which there are any."""
    for batch in batches:
        for targets, mask in zip(batch.sequences[:, 1:], batch.action_mask.bool(), strict=True):
            if mask.any():
                yield tuple(targets[mask].tolist())


def _filler(like: Any) -> Any:
    """A row in which nothing is trained, with the fields of another."""
    width = FILLER_TOKENS - 1

    def one(tensor: torch.Tensor, value: float) -> torch.Tensor:
        return torch.full((1,), value, dtype=tensor.dtype)

    info = {name: one(tensor, 0) for name, tensor in like.info.items()}
    info[GROUP], info[TRAJECTORY] = one(info[GROUP], NO_GROUP), one(info[TRAJECTORY], NO_GROUP)
    log_probs = like.rollout_log_probs
    return Experience(
        sequences=torch.full((1, FILLER_TOKENS), FILLER_ID, dtype=like.sequences.dtype),
        attention_mask=torch.ones((1, FILLER_TOKENS), dtype=like.attention_mask.dtype),
        action_mask=torch.zeros((1, width), dtype=like.action_mask.dtype),
        rollout_log_probs=None if log_probs is None else torch.zeros((1, width), dtype=log_probs.dtype),
        prompts=[""],
        labels=[""],
        images=[None],
        mm_train_inputs=[None],
        rewards=one(like.rewards, math.nan),
        scores=one(like.scores, math.nan),
        response_length=one(like.response_length, 0),
        truncated=one(like.truncated, 0),
        total_length=one(like.total_length, FILLER_TOKENS),
        info=info,
    )


def _gap(batches: Sequence[Any]) -> float:
    pairs = [(one.action_log_probs, one.rollout_log_probs, one.action_mask.bool()) for one in batches]
    apart = [(ours - theirs)[mask].abs().float() for ours, theirs, mask in pairs if theirs is not None]
    every = torch.cat(apart) if apart else torch.zeros(0)
    return float(every.mean()) if len(every) else math.nan


def _fill_figures(batches: Sequence[Any]) -> None:
    """Give rows without a valid trajectory the mean of the others, so that no logged mean is moved by them."""
    valid = torch.cat([one.info[VALID] for one in batches]).bool()
    for name in list(batches[0].info):
        if name in MARKS:
            continue
        known = torch.cat([one.info[name] for one in batches])[valid]
        mean = fmean(known.double().tolist()) if len(known) else 0.0
        for batch in batches:
            figures = batch.info[name].float()
            figures[~batch.info[VALID].bool()] = mean
            batch.info[name] = figures
    for batch in batches:
        for name in MARKS:
            del batch.info[name]
