"""Task directories: written whole, read back, listed, verified."""

import os
import shutil
from pathlib import Path

import pytest

from sandmle.core.engine.tasks import (
    FILE_TIME_S,
    list_tasks,
    read_task,
    refuse_real,
    spec_toml,
    task_dirs,
    verify_task,
    write_task,
)
from sandmle.core.errors import StoreError, TaskError
from sandmle.core.types.score import Direction, Prediction
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import (
    MetricRecord,
    Provenance,
    RowCounts,
    SolutionRecord,
    SubmissionFormat,
    TaskSpec,
    ThresholdRecord,
)


def draft(task_id: str = "soil-yield-0", reverse: bool = False) -> TaskDraft:
    dna: dict[str, float | int | str] = {"rows": 150, "noise": 0.25, "kind": "mixed"}
    spec = TaskSpec(
        task_id=task_id,
        title='Yield of "wet" soils\n',
        domain="agronomy",
        modality="tabular",
        task_type="regression",
        rule_family="threshold",
        noise_families=("gaussian",),
        metric=MetricRecord(name="rmse", direction=Direction.MINIMIZE),
        submission=SubmissionFormat(id_column="id", target_columns=("y",), prediction=Prediction.VALUE),
        rows=RowCounts(train=100, public_board=1, private_board=2),
        dna=dict(reversed(dna.items())) if reverse else dna,
        thresholds=ThresholdRecord(gold=0.1, silver=0.2, bronze=0.3, median=0.4),
        solutions=(SolutionRecord(name="tree", score=0.2, code_sha256="ab"),),
        checks_passed=("leak-probe",),
        provenance=Provenance(
            generator_model="offline/roles",
            rng_seed=7,
            index=0,
            seed_id="iris",
            prompt_sha256={},
            versions={"python": "3.11"},
            content_sha256={},
        ),
    )
    return TaskDraft(
        spec=spec,
        description="Predict y.\n",
        public={name: name.encode() for name in ("train.csv", "test.csv", "sample_submission.csv", "images/a.png")},
        private={name: name.encode() for name in ("answers.csv", "leaderboard.csv", "generate.py")},
    )


def tree(root: Path) -> dict[str, tuple[bytes | None, int, int]]:
    """Everything about a directory that a reader could see."""
    return {
        str(path.relative_to(root)): (
            path.read_bytes() if path.is_file() else None,
            path.stat().st_mode,
            int(path.stat().st_mtime),
        )
        for path in root.rglob("*")
    }


def test_a_written_task_is_read_back_and_verifies(tmp_path: Path):
    task = write_task(tmp_path, draft())
    assert read_task(tmp_path / "soil-yield-0").spec == task.spec
    assert task.description == "Predict y.\n"
    assert task.spec.provenance.content_sha256.keys() == tree(task.layout.root).keys() - {
        "task.toml",
        "public",
        "public/images",
        "private",
    }
    assert verify_task(task.layout.root) == ()


def test_the_same_draft_gives_the_same_bytes_times_and_modes(tmp_path: Path):
    first = write_task(tmp_path / "a", draft()).layout.root
    second = write_task(tmp_path / "b", draft(reverse=True)).layout.root
    assert tree(first) == tree(second)
    assert {entry[2] for entry in tree(first).values()} == {FILE_TIME_S}


def test_the_toml_does_not_depend_on_the_order_tables_were_filled_in():
    assert spec_toml(draft().spec) == spec_toml(draft(reverse=True).spec)


def test_nothing_is_left_when_writing_fails_or_the_name_is_taken(tmp_path: Path):
    write_task(tmp_path, draft())
    with pytest.raises(TaskError, match="exists already"):
        write_task(tmp_path, draft())
    both = draft("other")
    clash = TaskDraft(
        spec=both.spec, description="x", public={**both.public, "train.csv/deeper": b""}, private=both.private
    )
    with pytest.raises(StoreError, match="cannot write"):
        write_task(tmp_path, clash)
    assert [entry.name for entry in tmp_path.iterdir()] == ["soil-yield-0"]


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "", "..\\evil"])
def test_a_file_name_cannot_leave_the_task(tmp_path: Path, name: str):
    good = draft()
    with pytest.raises(TaskError, match="unsafe"):
        write_task(tmp_path, TaskDraft(spec=good.spec, description="x", public={name: b""}, private=good.private))
    assert list(tmp_path.iterdir()) == []


def test_tasks_are_listed_by_name_and_other_folders_passed_over(tmp_path: Path):
    for task_id in ("b-1", "a-2"):
        write_task(tmp_path, draft(task_id))
    (tmp_path / "notes").mkdir()
    (tmp_path / ".staging").mkdir()
    (tmp_path / "ledger.jsonl").write_text("{}")
    assert [task.spec.task_id for task in list_tasks(tmp_path)] == ["a-2", "b-1"]
    assert [task.spec.task_id for task in list_tasks(tmp_path / "b-1")] == ["b-1"]


@pytest.mark.parametrize("part", ["public", "private"])
def test_a_part_of_a_task_that_is_a_link_is_not_followed_into_what_is_the_users(tmp_path: Path, part: str):
    root = write_task(tmp_path / "corpus", draft()).layout.root
    shutil.move(root / part, tmp_path / "elsewhere")
    (root / part).symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "corpus", root):
        with pytest.raises(TaskError, match=f"{part} is a link: a task holds its own files"):
            task_dirs(path)


def test_a_folder_without_tasks_says_so(tmp_path: Path):
    with pytest.raises(TaskError, match="holds no task directory"):
        list_tasks(tmp_path)
    with pytest.raises(TaskError, match="no such folder of tasks"):
        list_tasks(tmp_path / "none")
    with pytest.raises(TaskError, match=r"it has no task\.toml"):
        read_task(tmp_path)


def test_a_manifest_lists_tasks_relative_to_itself(tmp_path: Path):
    for task_id in ("b-1", "a-2", "c-3"):
        write_task(tmp_path / "made", draft(task_id))
    manifest = tmp_path / "lists" / "train.txt"
    manifest.parent.mkdir()
    manifest.write_text("# for training\n../made/b-1\n\n../made/a-2\n")
    assert [task.spec.task_id for task in list_tasks(manifest)] == ["a-2", "b-1"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [("", "lists no task"), ("made", "is no task directory"), ("made/a-2\nmade/a-2", "twice"), ("\xff", "cannot read")],
)
def test_a_manifest_that_cannot_be_followed_is_refused(tmp_path: Path, lines: str, said: str):
    write_task(tmp_path / "made", draft("a-2"))
    manifest = tmp_path / "train.txt"
    manifest.write_bytes(lines.encode("latin-1"))
    with pytest.raises(TaskError, match=said):
        list_tasks(manifest)


def test_real_rows_are_refused_for_training_by_their_mark(tmp_path: Path):
    made = draft("real-1")
    provenance = made.spec.provenance.model_copy(update={"origin": "real"})
    real = TaskDraft(
        spec=made.spec.model_copy(update={"provenance": provenance}),
        description=made.description,
        public=made.public,
        private=made.private,
    )
    synthetic = write_task(tmp_path, draft("a-2"))
    refuse_real([synthetic])
    with pytest.raises(TaskError, match="real data that is kept for measuring"):
        refuse_real([synthetic, write_task(tmp_path, real)])


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('task_id = "soil-yield-0"', 'task_id = "Soil_Yield"', "task_id"),
        ("train = 100", "train = 0", r"rows\.train"),
        ("[metric]", "[metrics]", "metric"),
        ("[metric]", "[metric", "TOML"),
    ],
)
def test_a_broken_spec_is_an_error_naming_the_place(tmp_path: Path, old: str, new: str, complaint: str):
    file = write_task(tmp_path, draft()).layout.spec
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(TaskError, match=complaint):
        read_task(file.parent)
    assert [problem.check for problem in verify_task(file.parent)] == ["task-directory"]


def test_a_spec_that_would_never_end_is_not_read(tmp_path: Path):
    file = write_task(tmp_path, draft()).layout.spec
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(TaskError, match="not a regular file"):
        read_task(file.parent)


def test_a_description_that_is_a_link_is_not_read_out_to_a_model(tmp_path: Path):
    task = write_task(tmp_path / "corpus", draft())
    (tmp_path / "diary.txt").write_text("dear diary")
    task.layout.description.unlink()
    task.layout.description.symlink_to(tmp_path / "diary.txt")
    with pytest.raises(TaskError, match=r"description\.md is not a regular file"):
        read_task(task.layout.root)


def test_missing_files_are_named(tmp_path: Path):
    task = write_task(tmp_path, draft())
    task.layout.leaderboard.unlink()
    task.layout.sample_submission.unlink()
    with pytest.raises(TaskError, match=r"public/sample_submission\.csv, private/leaderboard\.csv"):
        read_task(task.layout.root)


def test_every_difference_from_what_was_written_is_a_problem(tmp_path: Path):
    root = write_task(tmp_path, draft()).layout.root
    moved = tmp_path / "renamed"
    shutil.move(root, moved)
    (moved / "public" / "train.csv").write_bytes(b"other")
    (moved / "private" / "generate.py").unlink()
    (moved / "public" / "extra.txt").write_text("x")
    (moved / "public" / "images" / "a.png").unlink()
    (moved / "public" / "images" / "a.png").symlink_to("/etc/hostname")
    os.mkfifo(moved / "private" / "pipe")
    messages = {problem.message: problem.check for problem in verify_task(moved)}
    assert len(messages) == 6
    assert sorted(messages.values()) == ["content-hash"] * 3 + ["task-id"] + ["unread-file"] * 2
    for part in ("rename the folder", "train.csv has changed", "generate.py is missing", "extra.txt is not part"):
        assert any(part in message for message in messages), part
    for part in ("a.png is not a regular file", "pipe is not a regular file"):
        assert any(part in message for message in messages), part
