"""What the bridges make of recorded episodes: the peers' schema, seeds, intervals, and what is missing."""

import random
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sandmle.core.conformance.episodes import sample_episode
from sandmle.core.engine.summary import json_ready
from sandmle.core.types.episode import Outcome
from sandmle.core.types.score import Direction, Grade, Medal
from sandmle.core.types.trajectory import Action, ActionKind, Observation, Step, StopReason
from sandmle.plugins.benchmarks.evaluating import Conditions
from sandmle.plugins.benchmarks.mlebench import report as mlebench
from sandmle.plugins.benchmarks.mledojo import report as mledojo

UNANSWERED = {
    "competition_id": "fig",
    "score": None,
    "gold_threshold": 0.9,
    "silver_threshold": 0.8,
    "bronze_threshold": 0.7,
    "median_threshold": 0.6,
    "any_medal": False,
    "gold_medal": False,
    "silver_medal": False,
    "bronze_medal": False,
    "above_median": False,
    "submission_exists": False,
    "valid_submission": False,
    "is_lower_better": False,
    "submission_path": "None",
}
SCHEMA = {*UNANSWERED, "created_at"}
AGGREGATE = {
    "total_runs",
    "total_runs_with_submissions",
    "total_valid_submissions",
    "total_medals",
    "total_gold_medals",
    "total_silver_medals",
    "total_bronze_medals",
    "total_above_median",
    "competition_reports",
}


def conditions(**more):
    fields = {"benchmark": "mlebench", "split": "lite", "scaffold": "react", "model": "m", "sandbox": "process L3"}
    return Conditions(**{**fields, "feedback": "validate_only", "seeds": 2, "complete": True, **more})


def graded(score, rank=0.5, **report):
    said = {**UNANSWERED, "score": score, "submission_exists": True, "valid_submission": True, **report}
    return Grade(
        valid=True,
        score=score,
        public_score=None,
        medal=Medal.NONE,
        above_median=False,
        human_rank=rank,
        problem=None,
        report={**said, "created_at": "2026-01-02T03:04:05"},
    )


def played(task_id, slot, grade, *earlier):
    submit = Action(kind=ActionKind.SUBMIT)
    steps = [Step(action=submit, observation=Observation(text="", grade=one), turn=0, wall_s=1.0) for one in earlier]
    made = sample_episode(steps, grade=grade, stop=StopReason.FINISHED, slot=slot)
    return replace(made, task_id=task_id, episode_id=f"{task_id}/{slot}")


def test_the_whole_report_has_the_peers_schema_and_ours_beside_it():
    episodes = [
        played("fig", 0, graded(0.95, gold_medal=True, any_medal=True, above_median=True)),
        played("fig", 1, None),
        played("plum", 0, graded(0.2)),
        played("plum", 1, graded(0.75, bronze_medal=True, any_medal=True, above_median=True)),
    ]
    both = {"fig": UNANSWERED, "plum": {**UNANSWERED, "competition_id": "plum"}}
    made = mlebench.report_documents(episodes, conditions(), both, [])
    assert set(made.report) == AGGREGATE | {"sandmle"}
    assert [made.report[name] for name in ("total_runs", "total_runs_with_submissions", "total_medals")] == [4, 3, 2]
    assert all(set(one) == SCHEMA for one in made.report["competition_reports"])
    assert set(made.files) == {"reports/seed-0_grading_report.json", "reports/seed-1_grading_report.json"}
    assert all(set(one) == AGGREGATE for one in made.files.values())
    ours = made.report["sandmle"]
    assert (ours["feedback"], ours["headline"]["mean"], ours["headline"]["standard_error"]) == (
        "validate_only",
        50.0,
        0.0,
    )
    assert "any medal: 50.0 % +/- 0.0 (SEM over 2 seeds)" in made.text
    nothing = made.files["reports/seed-1_grading_report.json"]["competition_reports"][0]
    assert (nothing["submission_exists"], nothing["submission_path"]) == (False, "None")


def test_what_the_machinery_failed_is_no_run_and_makes_a_seed_incomplete():
    lost = replace(played("fig", 1, None), outcome=Outcome.INFRASTRUCTURE, stop_reason=None)
    episodes = [played("fig", 0, graded(0.95, gold_medal=True, any_medal=True)), lost]
    made = mlebench.report_documents(episodes, conditions(), {"fig": UNANSWERED}, [])
    assert made.report["total_runs"] == 1
    ours = made.report["sandmle"]
    assert (ours["infrastructure_failures"], ours["across_seeds"]["num_seeds_averaged"]) == (1, 1)
    unprepared = mlebench.report_documents(episodes, conditions(), {"fig": UNANSWERED}, ["plum"]).report["sandmle"]
    assert unprepared["headline"] is None
    assert unprepared["across_seeds_padded"]["metrics"][mlebench.HEADLINE]["mean"] == 50.0


def test_the_arithmetic_over_seeds_is_numpys_and_scipys_to_the_last_bit():
    rng = random.Random(3)
    for _ in range(200):
        seeds, ids = rng.randint(2, 6), [f"c{number}" for number in range(rng.randint(1, 30))]
        medals = [[rng.random() < 0.4 for _ in ids] for _ in range(seeds)]
        by_seed = {
            seed: {one: {**UNANSWERED, "any_medal": flag} for one, flag in zip(ids, flags, strict=True)}
            for seed, flags in enumerate(medals)
        }
        shares = [sum(flags) / len(ids) * 100 for flags in medals]
        found = mlebench.across_seeds(by_seed, ids)["metrics"][mlebench.HEADLINE]
        mean, error = float(np.mean(shares)), float(stats.sem(shares, ddof=1))
        assert (found["mean"], found["standard_error"]) == (mean, error)
        assert (found["ci_lower"], found["ci_upper"]) == (mean - 1.96 * error, mean + 1.96 * error)


def test_a_score_that_is_no_number_is_null_and_no_word():
    grade = replace(graded(float("nan")), report={**graded(0.5).report, "score": "NaN"})
    made = mlebench.report_documents([played("fig", 0, grade)], conditions(seeds=1), {"fig": UNANSWERED}, [])
    [one] = json_ready(made.report)["competition_reports"]
    assert (one["score"], one["valid_submission"]) == (None, True)


def test_known_leaks_stand_in_the_report():
    name = "random-acts-of-pizza"
    made = mlebench.report_documents([], conditions(), {name: {**UNANSWERED, "competition_id": name}}, [])
    assert "leak" in made.report["sandmle"]["known_issues"][name][0]


def test_mledojos_tables_average_episodes_and_then_competitions():
    episodes = [
        played("fig", 0, graded(0.5, 0.4)),
        played("fig", 1, graded(0.6, 0.8)),
        played("plum", 0, None),
        played("plum", 1, graded(0.1, 0.2)),
    ]
    made = mledojo.report_documents(episodes, conditions(benchmark="mledojo"), {"fig": "Tabular", "plum": "NLP"}, [])
    report = made.report
    assert report["aggregate"]["all"]["human_rank"]["mean"] == pytest.approx((0.6 + 0.1) / 2)
    assert report["aggregate"]["all"]["valid_submission_rate"]["mean"] == pytest.approx(0.75)
    assert report["aggregate"]["Tabular"]["human_rank"]["mean"] == pytest.approx(0.6)
    fig, plum = report["competitions"]
    assert (fig["human_rank"]["low"], fig["human_rank"]["high"]) == (0.4, 0.8)
    assert plum["valid_submission_rate"]["mean"] == 0.5
    assert fig["raw_scores"] == [0.5, 0.6]
    assert "fig" in made.text


def test_the_best_human_rank_is_that_of_the_best_raw_score_equals_the_earlier():
    earlier = [graded(0.7, 0.9), graded(float("nan"), 1.0), graded(0.7, 0.1)]
    one = played("fig", 0, graded(0.3, 0.2), *earlier)
    assert mledojo.best_human_rank(one) == 0.9
    assert mledojo.best_human_rank(replace(one, direction=Direction.MINIMIZE)) == 0.2
    assert mledojo.best_human_rank(played("fig", 0, None)) == 0.0


def test_our_set_is_labelled_with_its_rule():
    made = mledojo.report_documents([], conditions(split="sandmle-62"), {"fig": "Tabular"}, [])
    assert "not by the paper" in made.report["rule"]
    assert mledojo.report_documents([], conditions(), {"fig": "Tabular"}, []).report["rule"] is None
