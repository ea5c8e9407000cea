"""Counting a corpus, beside a mix, and finding tasks that are nearly the same."""

from dataclasses import replace
from pathlib import Path

import pytest

from sandmle.core.conformance.drafts import sample_draft
from sandmle.core.engine.corpus_makeup import makeup_lines, makeup_of
from sandmle.core.engine.likeness import alike_tasks
from sandmle.core.engine.tasks import Task, read_task, spec_toml, write_task
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import CalibrationRecord, TaskSpec


def spec(**changes: object) -> TaskSpec:
    return sample_draft().spec.model_copy(update=changes)


def kept(folder: Path, draft: TaskDraft, name: str, **changes: object) -> Task:
    return write_task(folder, replace(draft, spec=draft.spec.model_copy(update={"task_id": name, **changes})))


def test_shares_stand_beside_those_of_the_mix() -> None:
    specs = [
        *[spec(modality="image", task_type="multilabel", dna={"sector": "healthcare", "difficulty": "easy"})] * 3,
        spec(task_type="forecasting", rule_family="a-rule-and-other", dna={"sector": "retail", "difficulty": "hard"}),
    ]
    makeup = makeup_of(specs)
    assert makeup.share("modality", "image") == 75
    assert makeup.share("task type", "classification") == 75
    assert makeup.counts["classes"] == {"multilabel": 3, "forecasting": 1}
    assert makeup.counts["rules in a task"] == {"1": 3, "2": 1}
    assert {"a-rule", "other"} <= set(makeup.counts["rule family"])
    assert makeup.furthest("paper")["modality"] == pytest.approx(75 - 49)
    document = makeup.as_json()
    assert document["mixes"]["paper"]["margins"]["sector"]["healthcare"] == {"share": 75.0, "wanted": 25.0}
    assert any("healthcare" in line for line in makeup_lines(makeup))


def test_boards_are_summed_up_over_the_tasks_in_which_they_were_measured() -> None:
    errors = {"gold-silver": 0.01, "silver-bronze": 0.004, "bronze-median": 0.02}
    record = CalibrationRecord(standard_errors=errors, agreement=0.9, halves=0.95, halves_top=0.8)
    other = record.model_copy(update={"halves": 0.91, "agreement": 0.98})
    found = makeup_of([spec(calibration=record), spec(calibration=other), spec(calibration=None)]).calibration
    assert (found["measured"], found["halves_least"], found["agreement_most"]) == (2, 0.91, 0.98)
    assert found["halves_mean"] == pytest.approx(0.93)
    tiers = spec().thresholds
    least = min(
        abs(tiers.gold - tiers.silver) / 0.01,
        abs(tiers.silver - tiers.bronze) / 0.004,
        abs(tiers.bronze - tiers.median) / 0.02,
    )
    assert found["gap_in_errors_least"] == pytest.approx(least, abs=1e-3)
    assert makeup_of([spec(calibration=None)]).calibration == {"measured": 0}


def test_a_calibration_and_a_ladder_are_written_and_read_back(tmp_path: Path) -> None:
    record = CalibrationRecord(standard_errors={"gold-silver": 0.01}, agreement=0.9, halves=0.95, halves_top=0.8)
    draft = sample_draft()
    plain = kept(tmp_path, draft, "plain")
    assert "ladder" not in spec_toml(plain.spec)
    assert "calibration" not in spec_toml(plain.spec.model_copy(update={"calibration": None}))
    told = kept(tmp_path, draft, "told", calibration=record, ladder=("stump", "linear", "forest", "oracle"))
    again = read_task(told.layout.root).spec
    assert (again.calibration, again.ladder) == (record, ("stump", "linear", "forest", "oracle"))


def test_tasks_that_are_nearly_the_same_are_found_by_rule_text_and_rows(tmp_path: Path) -> None:
    draft = sample_draft()
    rows = ["id,size,colour,weight,y"] + [
        f"{n},{n * 7 % 101 / 13:.6f},shade-{n % 9},{n * 31 % 97 / 7:.6f},no" for n in range(60)
    ]
    other = ["id,size,colour,weight,y"] + [
        f"{n},{n * 5 % 89 / 11:.6f},tint-{n % 7},{n * 3 % 83 / 9:.6f},no" for n in range(60)
    ]

    def table(lines: list[str]) -> dict[str, bytes]:
        return {**draft.public, "train.csv": "\n".join(lines).encode()}

    text = " ".join(f"word{n}" for n in range(300))
    new = " ".join(f"other{n}" for n in range(300))
    rule = {
        "strategy.json": b'{"hidden_rule": "the product of size and weight decides with a factor of three and a half"}'
    }
    fresh = {
        "strategy.json": b'{"hidden_rule": "colours are counted by shade, and the share of blue ones is what counts"}'
    }
    base = replace(draft, public=table(rows), description=text, private={**draft.private, **rule})
    kept(tmp_path, base, "one")
    kept(tmp_path, replace(base, public=table(other), private={**draft.private, **fresh}), "same-text", domain="b")
    kept(tmp_path, replace(base, description=new, private={**draft.private, **fresh}), "same-rows", domain="c")
    kept(tmp_path, replace(base, description=f"{new} more", public=table(other)), "same-rule", domain="d")
    tasks = [read_task(tmp_path / name) for name in ("one", "same-text", "same-rows", "same-rule")]
    found = {(one.how, one.first, one.second) for one in alike_tasks(tasks)}
    assert ("text", "one", "same-text") in found
    assert ("rows", "one", "same-rows") in found
    assert ("rule", "one", "same-rule") in found
    assert not {(how, first, second) for how, first, second in found if how == "rows"} - {
        ("rows", "one", "same-rows"),
        ("rows", "same-rule", "same-text"),
    }
    assert not any(how == "dna" for how, _, _ in found)
    # Where nothing is said of a rule, or in a description, nothing is alike.
    silent = [kept(tmp_path, replace(draft, description="-"), name, domain=name) for name in ("silent", "mute")]
    assert not {(one.how, one.first) for one in alike_tasks(silent)} & {("rule", "silent"), ("text", "silent")}
    twin = kept(tmp_path, base, "twin")
    assert ("rule", "one", "twin") in {(one.how, one.first, one.second) for one in alike_tasks([*tasks, twin])}
    assert ("dna", "one", "twin") in {(one.how, one.first, one.second) for one in alike_tasks([*tasks, twin])}
