"""How many different tasks a mix has room for: plans alone, of which no data is drawn, and the near-duplicate check."""

import random
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, cast

from sandmle.core.contracts.synthesis import Dossier
from sandmle.core.engine.seed_order import order_seeds
from sandmle.core.engine.synthesis import LOOKBACK, derive_rng_seed
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.synthesis import Strategy
from sandmle.core.types.task import MetricRecord, SubmissionFormat, TaskSpec
from sandmle.plugins.llms.offline.roles.player import play
from sandmle.plugins.synthesizer.checks import repeats
from sandmle.plugins.synthesizer.drafter import make_role

MOST_DRAFTS: Final = 3
"""Drafts for each task asked for, after which the mix is said to be at its end."""


def room(count: int, rng_seed: int, mix: str, share: float) -> dict[str, Any]:
    """Draft plans until `count` would be tasks, were each accepted with a probability unless it repeats another.

    Args:
        count: tasks asked for.
        rng_seed: of the corpus.
        mix: its name.
        share: probability that a draft passes all checks but the last.

    Returns:
        Tasks, drafts, and the share of near-duplicates among each tenth of the drafts.
    """
    toolkit = open_toolkit().override({"synthesis.mix": mix})
    seeds = order_seeds(toolkit, derive_rng_seed(rng_seed, "seeds"), LOOKBACK)
    role, chance = make_role(toolkit, "data-strategist"), random.Random(rng_seed)
    became: list[bool] = []
    repeated: list[bool] = []
    by_rule: dict[str, list[TaskSpec]] = defaultdict(list)
    titles: dict[str, list[tuple[int, str]]] = defaultdict(list)
    while sum(became) < count and len(became) < MOST_DRAFTS * count:
        index = len(became)
        seed = seeds.of(index, became.__getitem__)
        known = tuple(title for at, title in titles[seed.seed_id] if at < index - LOOKBACK + 1)
        dossier = Dossier(seed=seed, index=index, rng_seed=derive_rng_seed(rng_seed, index), accepted=known)
        plan = Strategy.model_validate_json(play(role.prompt(dossier)))
        spec = _spec(index, plan, seed.dna)
        passes = chance.random() < share
        repeated.append(passes and any(repeats(spec, other) for other in by_rule.get(plan.rule_family, ())))
        became.append(passes and not repeated[-1])
        if became[-1]:
            by_rule[plan.rule_family].append(spec)
            titles[seed.seed_id].append((index, plan.title))
    tenth = max(1, -(-len(became) // 10))
    shares = [sum(part) / len(part) for at in range(0, len(became), tenth) if (part := repeated[at : at + tenth])]
    return {
        "tasks": sum(became),
        "asked_for": count,
        "drafts": len(became),
        "near_duplicates": shares,
        "rules": len(by_rule),
    }


def _spec(index: int, plan: Strategy, dna: Mapping[str, Any]) -> TaskSpec:
    """What the near-duplicate check reads of a task; nothing else is there."""
    metric = METRICS[plan.metric]
    return TaskSpec.model_construct(
        task_id=f"draft-{index}",
        title=plan.title,
        domain=plan.domain,
        modality=plan.modality,
        task_type=plan.task_type,
        rule_family=plan.rule_family,
        noise_families=plan.noise_families,
        metric=MetricRecord(name=metric.name, direction=metric.direction),
        submission=SubmissionFormat.model_construct(
            target_columns=tuple(column.name for column in plan.columns if column.kind == "target")
        ),
        dna=cast(Any, dict(dna)),
    )


def room_lines(found: Mapping[str, Any]) -> list[str]:
    """The same for a person."""
    shares = ", ".join(f"{share:.3f}" for share in found["near_duplicates"])
    planned = "{tasks} of {asked_for} tasks planned in {drafts} drafts, by {rules} rules".format_map(found)
    return [planned, f"  near-duplicates in each tenth of the drafts: {shares}"]
