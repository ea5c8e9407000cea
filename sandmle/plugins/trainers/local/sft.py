"""Supervised fine-tuning on demonstrations: the demonstrator's own tokens only."""

import asyncio
import hashlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandmle.core.contracts.policy import TrainablePolicy
from sandmle.core.engine.lessons import Lesson, read_lessons, write_lessons
from sandmle.core.engine.recording import derived
from sandmle.core.engine.store import EPISODES
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, RunError
from sandmle.plugins.trainers.local.batches import Weighted, micro_batches, trained_tokens
from sandmle.plugins.trainers.local.config import LocalTrainerConfig, SftConfig
from sandmle.plugins.trainers.local.demonstrations import (
    Demonstrations,
    imitation_sequences,
    read_demonstrations,
    texts_by_task,
)
from sandmle.plugins.trainers.local.losses import action_log_probs
from sandmle.plugins.trainers.local.optimizing import Optimizer, prepare
from sandmle.plugins.trainers.local.output import Output, TrainerState, open_output
from sandmle.plugins.trainers.local.playing import digests, read_tasks
from sandmle.plugins.trainers.local.policies import PROVIDER, open_newest, open_policy, policy_provider, weights_digest
from sandmle.plugins.trainers.local.surroundings import Surroundings, Tell, surrounded

_ADVICE = '; or set plugin.llm.local.chat_format = "chatml", "qwen3" or "llama3", which do'


@dataclass(frozen=True, slots=True, kw_only=True)
class SftSummary:
    """What came of it."""

    out: str
    complete: bool
    epochs: int
    demonstrations: int
    left_out: dict[str, int]
    """Demonstrations of other tasks, not kept, and sequences longer than the context."""
    metrics: list[dict[str, Any]]


async def run_sft(
    toolkit: Toolkit,
    config: LocalTrainerConfig,
    *,
    demos: Sequence[Path],
    tasks: Path,
    out: Path,
    drain: asyncio.Event,
    tell: Tell,
) -> SftSummary:
    """Imitate stored episodes, epoch by epoch; the same call resumes at the epoch under way.

    A policy is made from scratch, tokenizer included, unless the configuration names one to start from.

    Raises:
        UsageError: demonstrations, tasks or the directory cannot be used, or the loss is no finite number.
        StoreError: a checkpoint could not be written.
    """
    training_tasks = read_tasks(tasks)
    ids = [task.spec.task_id for task in training_tasks]
    found = read_demonstrations(demos, ids, config.sft.keep)
    rng_seed = toolkit.settings.run.rng_seed
    record = {
        "method": "sft",
        "rng_seed": rng_seed,
        "sft": config.sft.model_dump(mode="json"),
        "shape": config.shape.model_dump(mode="json"),
        "dtype": toolkit.settings.options("llm", PROVIDER).get("dtype", "float32"),
        "policy": weights_digest(config.policy) if config.policy else "from scratch",
        "tasks": digests(training_tasks),
        "demos": {str(n): hashlib.sha256((run / EPISODES).read_bytes()).hexdigest() for n, run in enumerate(demos)},
    }
    with (
        open_output(out, record) as output,
        surrounded(toolkit, out, config.sft.epochs, drain=drain, tell=tell) as around,
    ):
        lesson = Lesson(method="sft", scaffolds=tuple(sorted({one.scaffold for one in found.episodes})))
        write_lessons(out, (*(read_lessons(config.policy) if config.policy else ()), lesson))
        if output.newest() is None:
            await _begin(toolkit, config, found, output)
        newest = output.newest() or 0
        output.point_at_newest(newest)
        async with open_newest(toolkit, output, newest) as policy:
            items, too_long = imitation_sequences(policy, found.episodes)
            if not items:
                raise RunError(f"all demonstrations are longer than the context of {policy.context_tokens} tokens")
            tell(f"{len(items)} sequences, {trained_tokens(items)} tokens to imitate, {too_long} too long")
            imitation = _Imitation(policy, config.sft, output, items, rng_seed)
            done = await imitation.run(newest, around)
        return SftSummary(
            out=str(out),
            complete=done >= config.sft.epochs,
            epochs=done,
            demonstrations=len(found.episodes),
            left_out={"other_tasks": found.other_tasks, "not_kept": found.not_kept, "too_long": too_long},
            metrics=output.metrics(),
        )


async def _begin(toolkit: Toolkit, config: LocalTrainerConfig, found: Demonstrations, output: Output) -> None:
    """Checkpoint 0: the policy that training begins with."""
    first = output.root / "start"
    if config.policy is None:
        seed = derived(toolkit.settings.run.rng_seed, "policy")
        policy_provider(toolkit).create_policy(texts_by_task(found.episodes), config.shape.shape(), seed, first)
    async with open_policy(toolkit, f"local/{config.policy or first}") as policy:
        if policy.unproven is not None:
            raise ConfigError(f"{policy.name} cannot imitate under its chat template: {policy.unproven}{_ADVICE}")
        output.save(policy, TrainerState(step=0, version=0, optimizer=None, metrics=None), keep=1)


class _Imitation:
    """The epochs."""

    def __init__(
        self, policy: TrainablePolicy, config: SftConfig, output: Output, items: Sequence[Weighted], rng_seed: int
    ) -> None:
        self._policy = policy
        self._config = config
        self._output = output
        self._items = items
        self._rng_seed = rng_seed
        self._per_epoch = -(-len(items) // config.batch_sequences)
        policy.train_all()
        prepare(policy.module, config)
        self._optimizer = Optimizer(policy.module, config, config.learning_rate, steps=self._per_epoch * config.epochs)

    async def run(self, done: int, around: Surroundings) -> int:
        """Go on after `done` epochs; gives how many are done in the end."""
        state = self._output.load(done)
        if state.optimizer is not None:
            self._optimizer.restore(state.optimizer)
        if state.metrics is not None:
            self._output.record(state.metrics)
        for epoch in range(done + 1, self._config.epochs + 1):
            line = await asyncio.to_thread(self._epoch, epoch, around.drain)
            if line is None:
                return epoch - 1
            state = TrainerState(step=epoch, version=epoch, optimizer=self._optimizer.state(), metrics=line)
            self._output.save(self._policy, state, keep=2)
            self._output.record(line)
            around.tell(f"epoch {epoch}: loss {line['loss']:.4f}, {line['seconds']:.1f} s")
            around.announce("step", line)
        return max(done, self._config.epochs)

    def _epoch(self, epoch: int, drain: asyncio.Event) -> dict[str, Any] | None:
        """One pass over everything; None when asked to stop, and what was learned in it is then not kept."""
        began = time.monotonic()
        order = list(self._items)
        random.Random(derived(self._rng_seed, "sft", epoch)).shuffle(order)
        size = self._config.batch_sequences
        losses, norms, tokens = [], [], 0
        self._policy.module.train()
        try:
            for number in range(self._per_epoch):
                if drain.is_set():
                    return None
                batch = order[number * size : (number + 1) * size]
                step = (epoch - 1) * self._per_epoch + number + 1
                loss = self._accumulate(batch)
                norms.append(self._optimizer.update(step, loss, str(self._output.checkpoint(epoch - 1))))
                losses.append(loss)
                tokens += trained_tokens(batch)
        finally:
            self._policy.module.eval()
            self._policy.weights_changed()
        return {
            "step": epoch,
            "loss": sum(losses) / len(losses),
            "grad_norm": sum(norms) / len(norms),
            "tokens": tokens,
            "seconds": round(time.monotonic() - began, 3),
        }

    def _accumulate(self, batch: Sequence[Weighted]) -> float:
        device = next(self._policy.module.parameters()).device
        tokens, total = trained_tokens(batch), 0.0
        share = not self._config.gradient_checkpointing
        for part in micro_batches(batch, self._config.micro_batch_tokens, device, share_prompts=share):
            log_probs, _ = action_log_probs(self._policy.module, part, 1.0)
            loss = -log_probs.sum() / tokens
            loss.backward()
            total += float(loss.detach())
        return total
