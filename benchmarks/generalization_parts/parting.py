"""Which tasks are trained on, which are measured on, and under which scaffolds each is demonstrated. Pure."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence

OTHERS_EACH = 2
"""Scaffolds, beside the one that GRPO plays under, under which a training task is demonstrated."""


def part(families: Mapping[str, str], measured: int, seed: int) -> tuple[list[str], list[str]]:
    """Tasks to train on and tasks to measure on; of every measured task, the family is trained on too.

    Args:
        families: task to its rule family.
        measured: how many to measure on.
        seed: decides which.

    Raises:
        ValueError: so many would leave a family without a task to train on.
    """
    order = sorted(families)
    random.Random(seed).shuffle(order)
    left = Counter(families.values())
    kept_back = []
    for task in order:
        if len(kept_back) < measured and left[families[task]] > 1:
            left[families[task]] -= 1
            kept_back.append(task)
    if len(kept_back) < measured:
        raise ValueError(f"only {len(kept_back)} of {len(order)} tasks share a family with another; make more tasks")
    return sorted(set(order) - set(kept_back)), sorted(kept_back)


def demonstrated(tasks: Sequence[str], trained: str, others: Sequence[str]) -> dict[str, list[str]]:
    """Scaffold to the tasks that are demonstrated under it: each task under `trained` and some others, in turns."""
    found: dict[str, list[str]] = {trained: list(tasks), **{name: [] for name in others}}
    each = min(OTHERS_EACH, len(others))
    for number, task in enumerate(tasks):
        for place in range(number * each, (number + 1) * each):
            found[others[place % len(others)]].append(task)
    return {name: under for name, under in found.items() if under}
