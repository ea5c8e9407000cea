"""The checks a draft must pass to become a task; each has a name, under which rejections are counted."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from sandmle.core.types.synthesis import Evidence, TaskDraft, TaskProblem
from sandmle.core.types.task import TaskSpec
from sandmle.plugins.synthesizer.cheats import medals_of_cheats
from sandmle.plugins.synthesizer.evidence import GAPS, NEAR_IDENTICAL
from sandmle.plugins.synthesizer.files import check_files
from sandmle.plugins.synthesizer.scripts import hashes
from sandmle.plugins.synthesizer.tables import FaultError
from sandmle.plugins.synthesizer.wording import missing_names, rule_words

MIN_POPULATION: Final = 12
"""Below that, MLE-bench's positions for gold, silver, bronze and the median come to lie on neighbours."""
MARGIN_IN_ERRORS: Final = 1.0
"""Least gap between thresholds, in paired bootstrap standard errors. One: on fresh private rows the two solutions
would keep their order five times out of six; asking for two would leave almost only tasks with a crude ladder."""
LEAST_GAP: Final = 10 * 1e-5
"""Ten times the resolution of a board of 5 decimals."""
LEAST_STEADINESS: Final = 0.9
"""Of the ranks by two halves of the private-board rows, so that HumanRank is the solution's and not the rows'."""
TOLERATED: Final[Mapping[str, float]] = MappingProxyType(
    {
        # What says nothing about the world must say nothing about the target; the skill is already above chance.
        "row-order": 0.05,
        "id": 0.05,
        "file-name": 0.05,
        # A compressed image is larger when it holds more, and what it holds may be the very rule.
        "file-size": 0.5,
        # A column may be strong evidence; it may not be the answer.
        "column": 0.97,
        "label-in-text": 0.8,
        "duplicate-rows": 0.01,
        # Blanks at the ends of words, zeros behind a number.
        "unseen": 0.05,
    }
)
"""Probe name to the skill that is still no leak."""
SIMILAR_TITLE: Final = 0.8
"""Share of words two titles may have in common (of all their words)."""

Check = Callable[[TaskDraft, Evidence], Iterator[str]]


def check_deterministic(task: TaskDraft, evidence: Evidence) -> Iterator[str]:
    first = hashes(_generated(task))
    if dict(evidence.rerun_sha256) != first:
        names = sorted(set(first) ^ set(evidence.rerun_sha256)) or sorted(
            name for name in first if first[name] != evidence.rerun_sha256[name]
        )
        yield f"a second run of the generator gave other files: {', '.join(names[:5])}"


def check_schema(task: TaskDraft, evidence: Evidence) -> Iterator[str]:
    try:
        check_files(_generated(task), evidence.strategy)
    except FaultError as fault:
        yield str(fault)


def check_population(task: TaskDraft, evidence: Evidence) -> Iterator[str]:
    members = len(task.spec.solutions)
    if members < MIN_POPULATION:
        yield f"{members} distinct members stand on the board, at least {MIN_POPULATION} are needed"
    if evidence.agreement > NEAR_IDENTICAL:
        yield f"two members agree on {evidence.agreement:.1%} of predictions"


def check_order(task: TaskDraft, evidence: Evidence) -> Iterator[str]:
    better = task.spec.metric.direction.better
    tiers = _tiers(task.spec)
    for (name, score), (lower, worse) in pairwise(tiers):
        if not better(score, worse):
            yield f"the {name} threshold {score:g} is not better than {lower}, {worse:g}"


def check_margin(task: TaskDraft, evidence: Evidence) -> Iterator[str]:
    tiers = _tiers(task.spec)
    for gap, (_, score), (_, worse) in zip(GAPS, tiers, tiers[1:], strict=False):
        needed = max(MARGIN_IN_ERRORS * evidence.standard_errors.get(gap, math.inf), LEAST_GAP)
        if not abs(score - worse) > needed:
            yield f"the gap {gap} is {abs(score - worse):.5f}; more than {needed:.5f} is needed"


def check_steady(task: TaskDraft, evidence: Evidence) -> Iterator[str]:
    found = evidence.halves.get("whole", 1.0)
    if found < LEAST_STEADINESS:
        yield f"two halves of the private rows rank the board's members alike by {found:.2f} only (Spearman)"


def check_sample(task: TaskDraft, evidence: Evidence) -> Iterator[str]:
    sample = evidence.scores["sample-submission"]
    for name, score in _tiers(task.spec):
        if not task.spec.metric.direction.better(score, sample):
            yield f"the {name} threshold {score:g} does not beat the sample submission, {sample:g}"


def check_oracle(task: TaskDraft, evidence: Evidence) -> Iterator[str]:
    oracle, gold = round(evidence.scores["oracle"], 5), task.spec.thresholds.gold
    if task.spec.metric.direction.better(gold, oracle):
        yield f"who knows the rule scores {oracle:g} and misses gold, {gold:g}"


def check_constant(task: TaskDraft, evidence: Evidence) -> Iterator[str]:
    constant, median = evidence.scores["constant"], task.spec.thresholds.median
    if not task.spec.metric.direction.better(median, constant):
        yield f"the best constant scores {constant:g}, no worse than the median, {median:g}"


def check_leaks(task: TaskDraft, evidence: Evidence) -> Iterator[str]:
    for probe, skill in evidence.leak_probes.items():
        if skill > TOLERATED.get(probe, 0.0):
            yield f"{probe} gives the target away: {skill:.2f}, at most {TOLERATED.get(probe, 0.0):.2f} is tolerated"


def check_cheats(task: TaskDraft, evidence: Evidence) -> Iterator[str]:
    yield from medals_of_cheats(task.spec, evidence.cheats)


def check_names(task: TaskDraft, evidence: Evidence) -> Iterator[str]:
    yield from missing_names(task.description, evidence.strategy)


def check_rule_kept(task: TaskDraft, evidence: Evidence) -> Iterator[str]:
    yield from rule_words(task.description, evidence.strategy)


def check_new(task: TaskDraft, evidence: Evidence) -> Iterator[str]:
    rows = sha256(task.public["train.csv"]).hexdigest()
    for other in evidence.accepted:
        if repeats(task.spec, other):
            yield f"it repeats {other.task_id} ({other.title!r})"
            return
        # A script that ignores RNG_SEED draws the same rows again, whatever it calls them.
        if other.provenance.content_sha256.get("public/train.csv") == rows:
            yield f"its train.csv is that of {other.task_id} ({other.title!r}); draw all chance from RNG_SEED"
            return


def repeats(one: TaskSpec, other: TaskSpec) -> bool:
    """Whether a task is nearly another one: by what it was made from, its rule, its title and how it is played."""
    if one.task_id == other.task_id:
        return True
    if one.rule_family != other.rule_family:
        return False
    same_make = (one.modality, one.task_type, one.domain.lower()) == (
        other.modality,
        other.task_type,
        other.domain.lower(),
    )
    same_play = _play(one) == _play(other)
    first, second = _title_words(one.title), _title_words(other.title)
    same_title = len(first & second) / max(1, len(first | second)) >= SIMILAR_TITLE
    # A mix makes hundreds of tasks of a kind: those of one title are told apart by how they are played.
    return (same_title and (same_play or "difficulty" not in one.dna)) or (same_make and same_play)


def _play(spec: TaskSpec) -> tuple[object, ...]:
    """What tells tasks of one make apart: by what they are scored and spoilt; in a mix what is asked, and how hard."""
    asked = (spec.submission.target_columns, spec.dna["difficulty"]) if "difficulty" in spec.dna else ()
    return (spec.metric, spec.noise_families, *asked)


def _title_words(title: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", title.lower()))


def _tiers(spec: TaskSpec) -> list[tuple[str, float]]:
    """Thresholds from the hardest to the easiest."""
    return list(spec.thresholds.model_dump().items())


def _generated(task: TaskDraft) -> dict[str, bytes]:
    """The files the generator script wrote."""
    own = {f"private/{name}": task.private[name] for name in ("answers.csv", "oracle.csv")}
    return {**{f"public/{name}": content for name, content in task.public.items()}, **own}


CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "file-schema": check_schema,
        "deterministic-generator": check_deterministic,
        "population-size": check_population,
        "thresholds-order": check_order,
        "threshold-margin": check_margin,
        "steady-ranks": check_steady,
        "sample-beaten": check_sample,
        "oracle-gold": check_oracle,
        "constant-below-median": check_constant,
        "leak-probe": check_leaks,
        "cheat-medal": check_cheats,
        "description-names": check_names,
        "description-rule": check_rule_kept,
        "near-duplicate": check_new,
    }
)
"""Check name to check, in the order they are asked."""


def run_checks(task: TaskDraft, evidence: Evidence) -> list[TaskProblem]:
    """Every problem that any of the built-in checks finds."""
    return [
        TaskProblem(check=name, message=message) for name, check in CHECKS.items() for message in check(task, evidence)
    ]
