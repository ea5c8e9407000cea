"""Splits: nothing crosses, whatever is drawn."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandmle.core.engine.tasks import Task, list_tasks
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import UsageError
from sandmle.core.types.score import Direction, Prediction
from sandmle.core.types.task import (
    MetricRecord,
    Provenance,
    RowCounts,
    SubmissionFormat,
    TaskLayout,
    TaskSpec,
    ThresholdRecord,
)
from sandmle.plugins.synthesizer.learning_corpus import draw_holdout
from sandmle.plugins.synthesizer.splits import (
    LEFT_OUT,
    PARTS,
    Holdout,
    crossings,
    draw_families,
    draw_seeds,
    part_tasks,
    table_lines,
    write_split,
)


def make_task(folder: Path, number: int, family: str, seed_id: str, modality: str = "tabular") -> Task:
    spec = TaskSpec(
        task_id=f"task-{number}",
        title="T",
        domain="d",
        modality=modality,
        task_type="regression",
        rule_family=family,
        noise_families=(),
        metric=MetricRecord(name="rmse", direction=Direction.MINIMIZE),
        submission=SubmissionFormat(id_column="id", target_columns=("y",), prediction=Prediction.VALUE),
        rows=RowCounts(train=1, public_board=1, private_board=1),
        dna={},
        thresholds=ThresholdRecord(gold=1, silver=2, bronze=3, median=4),
        solutions=(),
        checks_passed=(),
        provenance=Provenance(
            generator_model="-", rng_seed=0, index=number, seed_id=seed_id, prompt_sha256={}, versions={},
            content_sha256={},
        ),
    )  # fmt: skip
    return Task(spec=spec, layout=TaskLayout(folder / spec.task_id), description="")


def corpus(folder: Path, count: int, rng_seed: int = 0) -> list[Task]:
    rng = random.Random(rng_seed)
    return [make_task(folder, at, f"family-{rng.randrange(8)}", f"seed-{rng.randrange(6)}") for at in range(count)]


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 60),
    held=st.sets(st.integers(0, 7), min_size=1, max_size=4),
    seeds=st.sets(st.integers(0, 5), max_size=3),
    shares=st.tuples(st.floats(0, 0.45), st.floats(0, 0.45)),
    rng_seed=st.integers(0, 2**30),
)
def test_no_family_no_seed_and_no_task_crosses(count, held, seeds, shares, rng_seed):
    tasks = corpus(Path("/nowhere"), count, rng_seed)
    holdout = Holdout(
        families=tuple(f"family-{at}" for at in sorted(held)), seed_ids=tuple(f"seed-{at}" for at in sorted(seeds))
    )
    parts = part_tasks(tasks, holdout, validation=shares[0], fresh=shares[1], rng_seed=rng_seed)
    known = {one.spec.rule_family for name in PARTS[:3] for one in parts[name]}
    known_seeds = {one.spec.provenance.seed_id for name in PARTS[:3] for one in parts[name]}
    assert not known & {one.spec.rule_family for one in parts["held-out"]}
    assert not known & set(holdout.families)
    if seeds:
        assert not known_seeds & {one.spec.provenance.seed_id for one in parts["held-out"]}
    everywhere = [one.spec.task_id for members in parts.values() for one in members]
    assert sorted(everywhere) == sorted(one.spec.task_id for one in tasks)
    assert crossings(parts, holdout) == []
    again = part_tasks(reversed(tasks), holdout, validation=shares[0], fresh=shares[1], rng_seed=rng_seed)
    assert again == parts


def test_the_parts_have_their_shares_and_every_known_family_is_trained_on():
    tasks = [make_task(Path("/nowhere"), at, f"family-{at % 5}", "seed-0") for at in range(100)]
    parts = part_tasks(tasks, Holdout(families=("family-4",), seed_ids=()), validation=0.2, fresh=0.3, rng_seed=1)
    assert [len(parts[name]) for name in (*PARTS, LEFT_OUT)] == [40, 16, 24, 20, 0]
    for name in PARTS[:3]:
        assert {one.spec.rule_family for one in parts[name]} == {f"family-{at}" for at in range(4)}


def test_shares_that_leave_no_training_are_refused():
    with pytest.raises(UsageError, match="leave nothing to train on"):
        part_tasks([], Holdout(families=(), seed_ids=()), validation=0.5, fresh=0.5, rng_seed=0)


def test_held_out_families_come_from_all_over_the_list():
    families = [f"{kind}-{at}" for kind in ("table", "text", "image") for at in range(4)]
    for rng_seed in range(30):
        assert sorted({one.split("-")[0] for one in draw_families(families, 3, rng_seed)}) == ["image", "table", "text"]
    assert len({draw_families(families, 3, rng_seed) for rng_seed in range(30)}) > 10
    with pytest.raises(UsageError, match="some have to be left"):
        draw_families(families, 12, 0)


def test_of_every_kind_of_seed_some_are_held_out_and_some_are_left():
    kinds = {f"a{at}": "text classification" for at in range(5)} | {"b0": "image regression", "c0": "x", "c1": "x"}
    for rng_seed in range(20):
        held = draw_seeds(kinds, 0.25, rng_seed)
        assert sum(one.startswith("a") for one in held) == 1
        assert sum(one.startswith("c") for one in held) == 1
        assert "b0" not in held
    assert draw_seeds(kinds, 0.0, 0) == ()


def test_manifests_list_tasks_relative_to_themselves_and_the_table_says_what_is_where(tmp_path: Path):
    holdout = Holdout(families=("family-1",), seed_ids=())
    parts = part_tasks(corpus(tmp_path / "corpus", 20), holdout, validation=0.2, fresh=0.2, rng_seed=0)
    table = write_split(tmp_path / "split", parts, holdout)
    for name in PARTS:
        lines = (tmp_path / "split" / f"{name}.txt").read_text().split()
        assert lines == sorted(f"../corpus/{one.spec.task_id}" for one in parts[name])
    assert not (tmp_path / "split" / f"{LEFT_OUT}.txt").exists()
    assert json.loads((tmp_path / "split" / "split.json").read_text()) == table
    assert table["parts"]["held-out"]["families"] == {"family-1": len(parts["held-out"])}
    assert table_lines(table)[0] == "held-out families: family-1"


def test_a_split_that_crosses_is_not_written(tmp_path: Path):
    tasks = corpus(tmp_path, 6)
    parts = {name: tasks for name in (*PARTS, LEFT_OUT)}
    with pytest.raises(UsageError, match="is held out and known"):
        write_split(tmp_path / "split", parts, Holdout(families=("family-1",), seed_ids=("seed-1",)))
    assert not (tmp_path / "split").exists()


def test_real_seeds_and_listed_families_are_drawn_from_and_a_missing_list_is_named(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"benchmarks/learning\.toml"):
        draw_holdout(open_toolkit(), 2, 0)
    learning = open_toolkit(file=Path(__file__).parents[3] / "benchmarks" / "learning.toml")
    first, second = draw_holdout(learning, 4, 0), draw_holdout(learning, 4, 1)
    assert len(first.families) == 4
    assert set(first.families) < set(learning.settings.synthesis.families)
    assert first.seed_ids
    assert first != second


def test_an_empty_folder_cannot_be_split(tmp_path: Path):
    with pytest.raises(UsageError, match="no task directory"):
        list_tasks(tmp_path)
