"""How an agent did on MLE-Dojo's competitions: HumanRank, raw scores and valid submissions, each and all together.

MLE-Dojo has no aggregate of its own. Ours averages the episodes of a competition and then competitions; intervals are
bootstrapped, over the episodes of one competition and over the competitions of many.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sandmle.core.engine.evaluation import estimate
from sandmle.core.engine.measures import human_rank
from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.report import Estimate
from sandmle.core.types.score import Grade
from sandmle.plugins.benchmarks.evaluating import Conditions, Documents
from sandmle.plugins.benchmarks.mledojo.listing import OURS, RULE, labels_of
from sandmle.plugins.benchmarks.peers.views import task_id_of

Json = dict[str, Any]


def report_documents(
    episodes: Iterable[Episode], conditions: Conditions, categories: Mapping[str, str], left_out: Sequence[str]
) -> Documents:
    """Tables of each competition, of each category, and of all.

    Args:
        episodes: of the run.
        conditions: under what it was played.
        categories: competition id, in the order of the split, to its set.
        left_out: competitions of the split that were not prepared.
    """
    by_task: dict[str, list[Episode]] = defaultdict(list)
    for episode in episodes:
        by_task[episode.task_id].append(episode)
    found = {one: by_task.get(task_id_of(one), []) for one in categories}
    played = {
        one: [episode for episode in mine if episode.outcome is not Outcome.INFRASTRUCTURE]
        for one, mine in found.items()
    }
    groups = {"all": list(categories)}
    for one, category in categories.items():
        groups.setdefault(category, []).append(one)
    report: Json = {
        **asdict(conditions),
        "aggregate": {name: _aggregate({one: played[one] for one in ids}) for name, ids in groups.items()},
        "competitions": [_competition(one, categories[one], played[one]) for one in categories],
        "infrastructure_failures": sum(len(found[one]) - len(played[one]) for one in categories),
        "not_prepared": list(left_out),
        "rule": RULE if conditions.split == OURS else None,
    }
    return Documents(report=report, files={}, text=_text(report))


def best_human_rank(episode: Episode) -> float:
    """HumanRank of the submission with the best raw score, equals the earlier: MLE-Dojo's `best_position_score`.

    Ours counts the last valid one, since an agent that is told no score cannot choose.
    """
    graded = [step.observation.grade for step in episode.trajectory.steps]
    best: Grade | None = None
    for grade in (*graded, episode.grade):
        if grade is None or not grade.valid or grade.score is None or math.isnan(grade.score):
            continue
        if best is None or best.score is None or episode.direction.better(grade.score, best.score):
            best = grade
    return 0.0 if best is None or best.human_rank is None else best.human_rank


def _competition(competition_id: str, category: str, episodes: Sequence[Episode]) -> Json:
    raw = [episode.grade.score for episode in episodes if episode.grade and episode.grade.score is not None]
    return {
        "competition_id": competition_id,
        "category": category,
        "labels": labels_of(competition_id),
        "episodes": len(episodes),
        "valid_submission_rate": _over_episodes(episodes, _valid),
        "human_rank": _over_episodes(episodes, human_rank),
        "best_human_rank": _over_episodes(episodes, best_human_rank),
        "raw_scores": raw,
        "reports": [dict(one.grade.report) if one.grade and one.grade.report else None for one in episodes],
    }


def _aggregate(by_competition: Mapping[str, Sequence[Episode]]) -> Json:
    def over_competitions(measure: Callable[[Episode], float]) -> Json:
        return _shown(estimate({one: [measure(e) for e in mine] for one, mine in by_competition.items()}))

    return {
        "competitions": len(by_competition),
        "episodes": sum(map(len, by_competition.values())),
        "human_rank": over_competitions(human_rank),
        "best_human_rank": over_competitions(best_human_rank),
        "valid_submission_rate": over_competitions(_valid),
    }


def _over_episodes(episodes: Sequence[Episode], measure: Callable[[Episode], float]) -> Json:
    return _shown(estimate({str(number): [measure(episode)] for number, episode in enumerate(episodes)}))


def _valid(episode: Episode) -> float:
    return float(episode.grade is not None and episode.grade.valid)


def _shown(value: Estimate) -> Json:
    return {"mean": value.mean, "low": value.low, "high": value.high, "of": value.tasks}


def _text(report: Json) -> str:
    lines = [
        f"{report['scaffold']} with {report['model']} on {report['benchmark']} {report['split']}, "
        f"feedback {report['feedback']}, sandbox {report['sandbox']}:",
        f"{'competition':<56} {'HumanRank':>24} {'valid':>6}",
    ]
    rows = [(one["competition_id"], one) for one in report["competitions"]]
    rows += [(f"{name} ({one['competitions']})", one) for name, one in report["aggregate"].items()]
    for name, one in rows:
        rank = one["human_rank"]
        interval = f"{rank['mean']:.3f} [{rank['low']:.3f}, {rank['high']:.3f}]"
        lines.append(f"{name:<56} {interval:>24} {one['valid_submission_rate']['mean']:>6.2f}")
    if report["not_prepared"]:
        lines.append(f"not prepared, and so not played: {', '.join(report['not_prepared'])}")
    return "\n".join(lines)
