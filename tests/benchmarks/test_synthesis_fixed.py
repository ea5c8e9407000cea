"""The best single fixed program beside the best program of each task, measured in the real sandbox."""

from dataclasses import replace

from sandmle.core.conformance.copying import copying_draft
from sandmle.core.engine.tasks import list_tasks, write_task
from sandmle.core.types.task import ThresholdRecord
from sandmle.plugins.llms.offline.demonstrator.programs import Program

COPIES = Program(features="num", fill="median", model="linear", setting="a", output="value")
FAILS = Program(features="words", fill="median", model="linear", setting="a", output="value")


def test_programs_run_on_the_played_tasks_and_the_best_fixed_one_is_held_against_each_tasks_best(
    monkeypatch, tmp_path
) -> None:
    from synthesis_parts.fixed import fixed_lines, fixed_program

    monkeypatch.chdir(tmp_path)
    draft = copying_draft()
    # A ridge over 50 rows shrinks by a twentieth, which costs two here; zeros cost eleven.
    within = ThresholdRecord(gold=4.0, silver=5.0, bronze=6.0, median=7.0)
    write_task(tmp_path / "corpus", replace(draft, spec=draft.spec.model_copy(update={"thresholds": within})))
    found = fixed_program(list_tasks(tmp_path / "corpus"), (FAILS, COPIES), workers=1)
    assert found["best_fixed"]["programs"] == (COPIES.name,)
    assert (found["running"]["mean"], found["fixed_share"]) == (0.5, 1.0)
    lines = fixed_lines(found)
    assert lines[0] == "medal rates of 2 programs on 1 tasks, bronze or better:"
    assert lines[1].endswith("1.00 of the per-task best's (at most 0.50 asked)")


def test_no_share_is_shown_where_no_program_earns_a_medal() -> None:
    from synthesis_parts.fixed import fixed_lines

    choice = {"programs": ("num/linear",), "medals": {"mean": 0.0}}
    found = {
        "best_fixed": choice,
        "best_fixed_matched": choice,
        "per_task_best": {"mean": 0.0},
        "fixed_share": None,
        "fixed_matched_share": None,
        "programs": 9,
        "tasks": 4,
    }
    assert fixed_lines(found)[1:3] == [
        "  0.000  best single fixed program, num/linear",
        "  0.000  the same, output told, num/linear",
    ]
