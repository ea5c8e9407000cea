"""MLE-bench's aggregate report, in its own schema, and its headline: any-medal % as mean and SEM over seeds.

Sources: `aggregate_reports` of MLE-bench's `mlebench/grade.py`; `experiments/aggregate_grading_reports.py`, whose
arithmetic (numpy's mean, SEM with one degree of freedom less, mean -/+ 1.96 SEM) is followed to the last bit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from sandmle.core.types.episode import Episode, Outcome
from sandmle.plugins.benchmarks.evaluating import Conditions, Documents
from sandmle.plugins.benchmarks.mlebench.listing import labels_of
from sandmle.plugins.benchmarks.peers.views import task_id_of

Report = dict[str, Any]

_SHARES: Final = {
    "submission_exists": "submission_exists_percentage",
    "valid_submission": "valid_submissions_percentage",
    "above_median": "above_median_percentage",
    "gold_medal": "gold_medal_percentage",
    "silver_medal": "silver_medal_percentage",
    "bronze_medal": "bronze_medal_percentage",
    "any_medal": "any_medal_percentage",
}
"""A flag of a competition's report to the name of its share."""
HEADLINE: Final = "any_medal_percentage"
Z_95: Final = 1.96


def report_documents(
    episodes: Iterable[Episode],
    conditions: Conditions,
    unanswered: Mapping[str, Mapping[str, Any]],
    left_out: Sequence[str],
) -> Documents:
    """Every document of an evaluation.

    Args:
        episodes: of the run; a slot is a seed.
        conditions: under what it was played.
        unanswered: competition id, in the order of the split, to its report of a submission that is not there.
        left_out: competitions of the split that were not prepared.
    """
    by_task = {task_id_of(one): one for one in unanswered}
    by_seed: dict[int, dict[str, Report]] = {seed: {} for seed in range(conditions.seeds)}
    failed = 0
    for episode in episodes:
        competition_id = by_task.get(episode.task_id)
        if competition_id is None or episode.slot not in by_seed:
            continue
        found = competition_report(episode, unanswered[competition_id])
        failed += found is None
        if found is not None:
            by_seed[episode.slot][competition_id] = found
    in_order = {seed: [found[one] for one in unanswered if one in found] for seed, found in by_seed.items()}
    ids = [*unanswered, *left_out]
    headline, padded = across_seeds(by_seed, ids), across_seeds(by_seed, ids, pad=True)
    ours = {
        **asdict(conditions),
        "headline": headline["metrics"][HEADLINE] if headline else None,
        "across_seeds": headline,
        "across_seeds_padded": None if padded == headline else padded,
        "infrastructure_failures": failed,
        "not_prepared": list(left_out),
        "known_issues": {one: labels for one in unanswered if (labels := labels_of(one))},
    }
    whole = aggregate([one for _, reports in sorted(in_order.items()) for one in reports])
    return Documents(
        report={**whole, "sandmle": ours},
        files={f"reports/seed-{seed}_grading_report.json": aggregate(found) for seed, found in in_order.items()},
        text=_text(whole, ours),
    )


def competition_report(episode: Episode, unanswered: Mapping[str, Any]) -> Report | None:
    """MLE-bench's report on an episode's final submission.

    Args:
        episode: recorded by a run whose tasks MLE-bench graded.
        unanswered: the competition's report of a submission that is not there.

    Returns:
        None for an episode that the machinery failed: it is no run of the agent.
    """
    if episode.outcome is Outcome.INFRASTRUCTURE:
        return None
    said = episode.grade.report if episode.grade is not None else None
    if said is None:
        # No file, or one that was refused before MLE-bench could see it: a link, or larger than allowed.
        said = {**unanswered, "submission_exists": episode.grade is not None}
    found = {**{name: said[name] for name in unanswered}, "created_at": said.get("created_at", episode.started_at)}
    if episode.grade is not None and episode.grade.valid:
        # The record holds a score that is no number as a word.
        found["score"] = episode.grade.score
    return found


def aggregate(reports: Sequence[Report]) -> Report:
    """The document that `mlebench grade` writes for these runs."""
    medals = {name: sum(bool(one[f"{name}_medal"]) for one in reports) for name in ("gold", "silver", "bronze")}
    return {
        "total_runs": len(reports),
        "total_runs_with_submissions": sum(bool(one["submission_exists"]) for one in reports),
        "total_valid_submissions": sum(bool(one["valid_submission"]) for one in reports),
        "total_medals": sum(medals.values()),
        "total_gold_medals": medals["gold"],
        "total_silver_medals": medals["silver"],
        "total_bronze_medals": medals["bronze"],
        "total_above_median": sum(bool(one["above_median"]) for one in reports),
        "competition_reports": list(reports),
    }


def across_seeds(
    by_seed: Mapping[int, Mapping[str, Report]], ids: Sequence[str], *, pad: bool = False
) -> Report | None:
    """The shares of each seed, and over seeds their mean, standard error and interval.

    Args:
        by_seed: seed to competition id to report.
        ids: the competitions of the split.
        pad: count a report that is missing as nothing achieved, as `--pad-missing` does, instead of leaving the
            whole seed out.

    Returns:
        `{num_seeds_averaged, num_competitions_per_seed, metrics: {name: {mean, ci_lower, ci_upper, standard_error}},
        per_seed}`; None when no seed is complete.
    """
    used = [found for _, found in sorted(by_seed.items()) if found and (pad or all(one in found for one in ids))]
    if not used:
        return None
    per_seed = [_shares([found[one] for one in ids if one in found], len(ids)) for found in used]
    return {
        "num_seeds_averaged": len(per_seed),
        "num_competitions_per_seed": len(ids),
        "metrics": {name: _over_seeds([seed[name] for seed in per_seed]) for name in _SHARES.values()},
        "per_seed": per_seed,
    }


def _text(whole: Report, ours: Report) -> str:
    lines = [
        f"{ours['scaffold']} with {ours['model']} on {ours['benchmark']} {ours['split']}, feedback {ours['feedback']}:",
        f"{whole['total_runs']} runs, {whole['total_valid_submissions']} valid, {whole['total_medals']} medals",
    ]
    if ours["headline"] is None:
        lines.append("no seed is complete, so there is no headline; across_seeds_padded counts what is missing as 0")
    else:
        share, seeds = ours["headline"], ours["across_seeds"]["num_seeds_averaged"]
        lines.append(f"any medal: {share['mean']:.1f} % +/- {share['standard_error']:.1f} (SEM over {seeds} seeds)")
    if ours["not_prepared"]:
        lines.append(f"not prepared, and so not played: {', '.join(ours['not_prepared'])}")
    lines += [f"{one}: {'; '.join(labels)}" for one, labels in ours["known_issues"].items()]
    return "\n".join(lines)


def _shares(reports: Iterable[Report], count: int) -> Report:
    found = list(reports)
    return {name: sum(bool(one[flag]) for one in found) / count * 100 for flag, name in _SHARES.items()}


def _over_seeds(values: Sequence[float]) -> Report:
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
    return {
        "mean": mean,
        "ci_lower": mean - Z_95 * error,
        "ci_upper": mean + Z_95 * error,
        "standard_error": error,
    }
