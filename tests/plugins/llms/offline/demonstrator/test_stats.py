"""What results say of a corpus: pure arithmetic on results made up here."""

import pytest

from sandmle.plugins.llms.offline.demonstrator.measuring import Result
from sandmle.plugins.llms.offline.demonstrator.stats import corpus_stats, stats_lines


def result(task: str, program: str, medal: str = "none", cv: float | None = 0.0, ran: bool = True, valid: bool = True):
    return Result(
        task_sha256=task,
        program_sha256=program,
        task_id=task,
        program=program,
        ran=ran,
        valid=ran and valid,
        medal=medal,
        human_rank=0.5,
        cv=cv,
        wall_s=0.1,
    )


def rows(medals: dict[str, dict[str, str]], cv: dict[str, float] | None = None):
    """Program to task to medal; a program not named on a task fails there."""
    tasks = sorted({task for won in medals.values() for task in won})
    return [
        result(task, program, won.get(task, "none"), (cv or {}).get(program, 0.1), ran=task in won)
        for program, won in medals.items()
        for task in tasks
    ]


METRICS = {"t1": "rmse", "t2": "rmse", "t3": "rmsle", "t4": "rmsle"}


def test_the_best_fixed_program_is_chosen_on_training_tasks_and_measured_on_the_others():
    training = rows({"a/value": {"x1": "gold", "x2": "gold"}, "b/value": {"x1": "none", "x2": "none"}})
    others = rows({"a/value": {"t1": "none", "t2": "none"}, "b/value": {"t1": "gold", "t2": "silver"}})
    stats = corpus_stats(others, METRICS, training, {"x1": "rmse", "x2": "rmse"})
    assert stats.best_fixed.programs == ("a/value",)
    assert (stats.best_fixed.medals.mean, stats.per_task_best.mean) == (0.0, 1.0)
    assert (stats.tasks, stats.chosen_on, stats.programs) == (2, 2, 2)


def test_a_portfolio_takes_in_each_task_what_its_own_validation_likes_best():
    medals = {"a/value": {"t1": "gold", "t2": "none"}, "b/value": {"t1": "none", "t2": "gold"}}
    blind = corpus_stats(rows(medals), METRICS, rows(medals), METRICS)
    assert blind.best_fixed.medals.mean == 0.5
    assert blind.best_portfolio.medals.mean == 0.5
    seeing = [
        result("t1", "a/value", "gold", cv=0.9),
        result("t2", "a/value", "none", cv=0.2),
        result("t1", "b/value", "none", cv=0.3),
        result("t2", "b/value", "gold", cv=0.8),
    ]
    assert corpus_stats(seeing, METRICS, seeing, METRICS).best_portfolio.medals.mean == 1.0


def test_an_invalid_submission_is_never_the_portfolios_choice():
    results = [
        result("t1", "a/value", "none", cv=0.9, valid=False),
        result("t1", "b/value", "gold", cv=0.1),
    ]
    assert corpus_stats(results, METRICS, results, METRICS).best_portfolio.medals.mean == 1.0


def test_a_program_that_is_told_the_output_is_judged_by_that_output():
    medals = {
        "a/value": {"t1": "gold", "t2": "gold", "t3": "none", "t4": "none"},
        "a/log": {"t1": "none", "t2": "none", "t3": "gold", "t4": "bronze"},
    }
    stats = corpus_stats(rows(medals), METRICS, rows(medals), METRICS)
    assert stats.best_fixed.medals.mean == 0.5
    assert stats.best_fixed_matched.programs == ("a",)
    assert stats.best_fixed_matched.medals.mean == 1.0


def test_shares_of_running_and_valid_programs_are_means_over_tasks():
    results = [
        result("t1", "a/value"),
        result("t1", "b/value", ran=False, cv=None),
        result("t2", "a/value", valid=False),
        result("t2", "b/value", ran=False, cv=None),
    ]
    stats = corpus_stats(results, METRICS, results, METRICS)
    assert (stats.running.mean, stats.valid.mean) == (0.5, 0.25)
    assert stats.as_json()["running"]["tasks"] == 2
    assert any("best fixed portfolio of three" in line for line in stats_lines(stats))


def test_ties_are_broken_by_name_so_that_the_same_results_give_the_same_choice():
    medals = {name: {"t1": "gold"} for name in ("c/value", "a/value", "b/value")}
    assert corpus_stats(rows(medals), METRICS, rows(medals), METRICS).best_fixed.programs == ("a/value",)


def test_a_metric_the_catalogue_does_not_have_is_a_defect():
    with pytest.raises(KeyError):
        corpus_stats([result("t1", "a/value")], {"t1": "x"}, [result("t1", "a/value")], {"t1": "x"})
