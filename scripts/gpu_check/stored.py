"""Policies opened as the local provider opens them, and the sequences that training stored for them."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from plan import Plan

from sandmle.core.contracts.policy import TrainablePolicy
from sandmle.core.engine.advantage import Estimator
from sandmle.core.engine.store import read_episodes
from sandmle.core.errors import RunError
from sandmle.core.types.message import Message
from sandmle.plugins.llms.local.config import LocalConfig
from sandmle.plugins.llms.local.model import LocalProvider
from sandmle.plugins.trainers.local.batches import Weighted
from sandmle.plugins.trainers.local.demonstrations import imitation_sequences
from sandmle.plugins.trainers.local.groups import judge, weighted

WINDOW_S = 0.2
"""Replies that are asked for at once are decoded together, however busy the machine is."""


def open_policy(path: Path, device: str, dtype: str, threads: int = 1) -> TrainablePolicy:
    """A checkpoint on a device."""
    config = LocalConfig.model_validate(
        {"device": device, "dtype": dtype, "threads": threads, "window_s": WINDOW_S, "max_batch": 256}
    )
    return LocalProvider(config).open_model(f"local/{path}")


def prompts(plan: Plan, count: int) -> list[tuple[Message, ...]]:
    """How conversations begin, of as many different tasks as there are."""
    found: dict[str, tuple[Message, ...]] = {}
    for episode in read_episodes(plan.demonstrations):
        entries = episode.trajectory.segments[0].entries
        first = next((at for at, entry in enumerate(entries) if entry.reply is not None), len(entries))
        found.setdefault(episode.task_id, tuple(entry.message for entry in entries[:first]))
    different = list(found.values())
    return [different[number % len(different)] for number in range(count)]


def long_prompts(plan: Plan, policy: TrainablePolicy, count: int, tokens: int) -> list[tuple[Message, ...]]:
    """One message each, as long as that; they differ from the first token on, so that nothing of one is known."""
    text = "\n".join(message.content for messages in prompts(plan, plan.amounts.tasks) for message in messages)
    per_character = len(policy.encode(Message(role="user", content=text)).ids) / len(text)
    whole = text * (1 + round(tokens / per_character / len(text)))
    long = round(tokens / per_character)
    return [(Message(role="user", content=f"{number}. {whole[:long]}"),) for number in range(count)]


def demonstrated(plan: Plan, policy: TrainablePolicy) -> list[Weighted]:
    """The demonstrations as SFT sees them."""
    return imitation_sequences(policy, read_episodes(plan.demonstrations))[0]


def learned(plan: Plan) -> tuple[list[Weighted], int]:
    """What GRPO trained on, step by step, and the sampled episodes it is of; nothing when it did not run."""
    items: list[Weighted] = []
    played = 0
    for folder in sorted((plan.heavy / "grpo" / "steps").glob("*")):
        groups: dict[str, list] = {}
        with suppress(RunError):
            for episode in read_episodes(folder):
                groups.setdefault(episode.task_id, []).append(episode)
        judged = [judge(episodes, Estimator.GROUP_NORM) for episodes in groups.values()]
        items += weighted((group for group in judged if group.kept), mask_truncated=False)
        played += sum(map(len, groups.values()))
    return items, played


def either(plan: Plan, policy: TrainablePolicy) -> tuple[list[Weighted], str]:
    """Sequences with advantages: GRPO's own where there are any; else demonstrations, half good and half bad."""
    items, _ = learned(plan)
    if items:
        return items, "trajectories of GRPO"
    made = demonstrated(plan, policy)
    return [
        Weighted(sequence=one.sequence, advantage=1.0 if number % 2 else -1.0) for number, one in enumerate(made)
    ], "demonstrations with made-up advantages"


def within(items: Sequence[Weighted], count: int, tokens: int) -> list[Weighted]:
    """Of the prompt that most sequences begin with, the shortest few that have at most so many tokens when padded."""
    by_prompt: dict[tuple[int, ...], list[Weighted]] = {}
    for item in items:
        prompt = item.sequence.observation_tokens[: item.sequence.action_ranges[0][0]]
        by_prompt.setdefault(prompt, []).append(item)
    chosen: list[Weighted] = []
    for item in sorted(max(by_prompt.values(), key=len), key=lambda one: len(one.sequence.observation_tokens)):
        if len(chosen) == count or len(item.sequence.observation_tokens) * (len(chosen) + 1) > tokens:
            break
        chosen.append(item)
    return chosen
