"""Tasks of real rows: what is in them, what grades them, and that nobody trains on them."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from sandmle.core.engine.grading import LocalGrader
from sandmle.core.engine.tasks import list_tasks, read_task, refuse_real, verify_task
from sandmle.core.errors import TaskError
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.score import Medal
from sandmle.plugins.seeds.builtin import VIEWS
from sandmle.plugins.seeds.realdata.benchmark import RealData
from sandmle.plugins.seeds.realdata.config import RealDataConfig, default_folder
from sandmle.plugins.seeds.realdata.population import references
from sandmle.plugins.seeds.realdata.protocol import as_lines, benchmark_document
from sandmle.plugins.seeds.realdata.references import reference_scores
from sandmle.plugins.seeds.realdata.rows import MAX_TRAIN, answers_file, public_files, split_rows
from sandmle.plugins.seeds.shelf import Shelf

MADE = ("iris-species", "diabetes-progression", "library-kind")


def view(seed_id: str):
    return next(one for one in VIEWS if one.seed_id == seed_id)


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(content.decode().splitlines()))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    RealData(RealDataConfig(path=folder, repeats=1, seed_ids=MADE)).task_dirs()
    return folder


def test_it_is_registered_and_lists_what_it_made_without_making_it_again(made):
    registry = load_plugins(builtins=["sandmle.plugins.seeds.plugin"]).registry
    options = {"path": str(made), "repeats": 1, "seed_ids": list(MADE)}
    before = {path: path.stat().st_ino for path in made.iterdir()}
    listed = registry.make(Kind.BENCHMARK, "realdata", options).task_dirs()
    assert [path.name for path in listed] == [f"real-{name}-0-0" for name in sorted(MADE)]
    assert {path: path.stat().st_ino for path in made.iterdir()} == before
    assert all(verify_task(path) == () for path in listed)


def test_medals_are_for_boards_of_a_hundred_rows_and_human_rank_for_all(made):
    specs = {task.spec.provenance.seed_id: task.spec for task in list_tasks(made)}
    for spec in specs.values():
        assert spec.rows.train <= MAX_TRAIN
        assert math.isnan(spec.thresholds.gold) == math.isnan(spec.thresholds.median) == (spec.rows.private_board < 100)
        assert len(spec.solutions) >= 200
    assert math.isnan(specs["iris-species"].thresholds.bronze)
    assert specs["diabetes-progression"].thresholds.gold > specs["diabetes-progression"].thresholds.bronze


async def test_the_grader_ranks_without_medals_where_none_are_awarded(made):
    grader = LocalGrader()
    try:
        for name, medal in (("iris-species", Medal.NONE), ("diabetes-progression", Medal.GOLD)):
            task = read_task(made / f"real-{name}-0-0")
            truth = rows_of(task.layout.answers.read_bytes())
            perfect = "\n".join(["id,target", *[f"{row['id']},{row['target']}" for row in truth]])
            grade = await grader.grade(task.layout.root, perfect.encode())
            assert (grade.valid, grade.human_rank, grade.medal) == (True, 1.0, medal)
            sample = await grader.grade(task.layout.root, task.layout.sample_submission.read_bytes())
            assert sample.valid
            assert sample.human_rank is not None
            assert sample.human_rank < 0.5
    finally:
        await grader.close()


def test_no_training_takes_them(made):
    with pytest.raises(TaskError, match="train on synthetic tasks"):
        refuse_real(list_tasks(made))


def test_a_directory_that_was_altered_is_refused(made, tmp_path):
    import shutil

    copy = tmp_path / "real"
    shutil.copytree(made, copy)
    (copy / "real-iris-species-0-0" / "public" / "train.csv").write_text("id\n")
    with pytest.raises(TaskError, match=r"has changed since it was written; remove .* to have it made again"):
        RealData(RealDataConfig(path=copy, repeats=1, seed_ids=MADE)).task_dirs()


def test_a_directory_of_an_older_protocol_is_refused(made, tmp_path):
    import shutil

    copy = tmp_path / "real"
    shutil.copytree(made, copy)
    spec = copy / "real-iris-species-0-0" / "task.toml"
    spec.write_text(spec.read_text().replace('realdata = "2"', 'realdata = "1"'))
    with pytest.raises(TaskError, match="older protocol; remove it"):
        RealData(RealDataConfig(path=copy, repeats=1, seed_ids=MADE)).task_dirs()


def test_the_benchmark_is_written_down_with_what_plain_solutions_reach(made):
    document = benchmark_document([task.layout.root for task in list_tasks(made)], 0, 1)
    assert min(document["protocol"]["population"].values()) >= 200
    tasks = {one["data"]: one for one in document["tasks"]}
    assert {one["board"] >= 200 for one in tasks.values()} == {True}
    assert tasks["iris-species"]["thresholds"]["gold"] is None
    constant, forest = (tasks["library-kind"]["baselines"][name] for name in ("constant", "forest"))
    assert (constant["score"], constant["medal"]) == (0.5, "none")
    assert constant["human_rank"] < forest["human_rank"] <= 1
    rank = sum(one["baselines"]["linear"]["human_rank"] for one in tasks.values()) / 3
    assert document["baselines"]["linear"]["human_rank"] == pytest.approx(rank)
    assert "3 tasks of 3 data sets" in as_lines(document)[0]


def test_an_unknown_seed_is_named():
    with pytest.raises(TaskError, match="did you mean 'iris-species'"):
        RealData(RealDataConfig(seed_ids=("iris-specie",))).task_dirs()


def test_data_of_twenty_rows_gives_no_task(tmp_path):
    assert RealData(RealDataConfig(path=tmp_path, seed_ids=("exercise-waist",))).task_dirs() == []


@pytest.mark.parametrize("seed_id", ["iris-species", "library-topic", "photo-upright", "diabetes-quarters"])
def test_a_split_parts_distinct_rows_and_repeats_differ(seed_id):
    one = view(seed_id)
    data, target = one.load(Shelf())
    first, again, other = (split_rows(one, data, np.asarray(target), name) for name in ("a", "a", "b"))
    assert public_files(first) == public_files(again)
    assert answers_file(first) == answers_file(again) != answers_file(other)
    files = public_files(first)
    train, test = rows_of(files["train.csv"]), rows_of(files["test.csv"])
    payload = [tuple(value for key, value in row.items() if key not in ("id", "target", "image")) for row in train]
    assert not set(payload) & {tuple(row[key] for key in row if key not in ("id", "image")) for row in test} - {()}
    assert not {row["id"] for row in train} & {row["id"] for row in test}
    assert "target" not in test[0]
    assert {row["target"] for row in rows_of(answers_file(first))} <= {row["target"] for row in train}
    pictures = [content for path, content in files.items() if path.startswith("images/")]
    assert len(set(pictures)) == len(pictures) == (len(first.ids) if one.modality == "image" else 0)
    assert len({len(content) for content in pictures}) <= 1


def test_reference_solutions_have_names_of_their_own_and_learn_something():
    for modality in ("tabular", "text", "image"):
        names = [one.name for one in references(modality)]
        assert len(set(names)) == len(names) >= 200
    one = view("wine-cultivar")
    data, target = one.load(Shelf())
    scores = reference_scores(split_rows(one, data, np.asarray(target), "a"))
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert scores["columns-linear"] > scores["columns-constant"] + 0.4


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "sandmle" / "realdata-2"
