"""A corpus against its manifest: nothing that was changed passes, and nothing of it is followed, run or read whole."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sandmle.core.engine import file_trees
from sandmle.core.engine.ledger import LedgerLine, open_corpus
from sandmle.core.engine.manifest import MANIFEST_NAME, Manifest, verify_corpus, write_manifest
from sandmle.core.engine.tasks import read_spec, spec_toml, write_task
from sandmle.core.errors import TaskError
from sandmle.core.types.score import Direction, Prediction
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import MetricRecord, Provenance, RowCounts, SubmissionFormat, TaskSpec, ThresholdRecord


def draft(task_id: str) -> TaskDraft:
    spec = TaskSpec(
        task_id=task_id,
        title=f"Title of {task_id}",
        domain="tests",
        modality="tabular",
        task_type="regression",
        rule_family="identity",
        noise_families=("none",),
        metric=MetricRecord(name="rmse", direction=Direction.MINIMIZE),
        submission=SubmissionFormat(id_column="id", target_columns=("y",), prediction=Prediction.VALUE),
        rows=RowCounts(train=50, public_board=1, private_board=1),
        dna={},
        thresholds=ThresholdRecord(gold=0.1, silver=0.2, bronze=0.4, median=0.5),
        solutions=(),
        checks_passed=(),
        provenance=Provenance(
            generator_model="by hand",
            rng_seed=0,
            index=0,
            seed_id="s",
            prompt_sha256={},
            versions={},
            content_sha256={},
        ),
    )
    public = {name: b"id,y\n1,2\n" for name in ("train.csv", "test.csv", "sample_submission.csv")}
    private = {"answers.csv": b"id,y,board\n1,2,private\n", "leaderboard.csv": b"rank,score\n1,0.1\n"}
    return TaskDraft(spec=spec, description="x", public=public, private=private)


def line(index: int, task_id: str | None, detail: str = "because") -> LedgerLine:
    check = None if task_id else "leak-probe"
    return LedgerLine(index=index, seed_id="s", rng_seed=1, task_id=task_id, check=check, detail=detail, tries={})


def make(root: Path, detail: str = "because") -> str:
    with open_corpus(root, {"rng_seed": 7}) as corpus:
        corpus.commit(line(0, "task-a"), draft("task-a"))
        corpus.commit(line(1, None, detail), None)
        corpus.commit(line(2, "task-b"), draft("task-b"))
        return write_manifest(root, corpus.lines)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    make(tmp_path / "corpus")
    return tmp_path / "corpus"


def test_a_corpus_as_it_was_made_holds_and_its_hash_is_that_of_its_content_alone(corpus: Path, tmp_path: Path) -> None:
    found = verify_corpus(corpus)
    assert (found.tasks, found.problems) == (("task-a", "task-b"), ())
    # Words of a rejection may hold an address in memory or a time, and decide nothing.
    assert make(tmp_path / "other", detail="at 0x7f33") == found.sha256
    assert verify_corpus(corpus, found.sha256.upper()).problems == ()
    shutil.copytree(corpus, tmp_path / "copied")
    assert verify_corpus(tmp_path / "copied", found.sha256).problems == ()


def test_another_corpus_is_not_taken_for_the_one_that_was_published(corpus: Path) -> None:
    [(name, problem)] = verify_corpus(corpus, "0" * 64).problems
    assert name == MANIFEST_NAME
    assert "this is another corpus" in problem.message


def swap_answers(corpus: Path) -> None:
    (corpus / "task-a" / "private" / "answers.csv").write_bytes(b"id,y,board\n1,3,private\n")


def swap_answers_and_their_hash(corpus: Path) -> None:
    swap_answers(corpus)
    path = corpus / "task-a"
    spec = read_spec(path)
    shutil.rmtree(path)
    changed = draft("task-a")
    write_task(
        corpus,
        TaskDraft(
            spec=spec,
            description="x",
            public=changed.public,
            private={**changed.private, "answers.csv": b"id,y,board\n1,3,private\n"},
        ),
    )


def exchange_tasks(corpus: Path) -> None:
    shutil.rmtree(corpus / "task-a")
    shutil.copytree(corpus / "task-b", corpus / "task-a")


def link(name: str, target: str) -> Callable[[Path], None]:
    def tamper(corpus: Path) -> None:
        path = corpus / "task-a" / name
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
        path.symlink_to(target)

    return tamper


def pipe(corpus: Path) -> None:
    os.mkfifo(corpus / "task-a" / "public" / "pipe")


def huge(corpus: Path) -> None:
    with (corpus / "task-a" / "public" / "train.csv").open("ab") as file:
        file.truncate(2**42)


def edit_ledger(corpus: Path) -> None:
    path = corpus / "ledger.jsonl"
    path.write_text(path.read_text().replace("leak-probe", "near-duplicate"))


@pytest.mark.parametrize(
    ("tamper", "check", "said"),
    [
        (swap_answers, "content-hash", "answers.csv has changed since"),
        (swap_answers_and_their_hash, "manifest", "task.toml is not the manifest's"),
        (exchange_tasks, "task-id", "rename the folder"),
        (link("public/train.csv", "/etc/passwd"), "unread-file", "train.csv is not a regular file"),
        (link("description.md", "/dev/zero"), "unread-file", "description.md is not a regular file"),
        (link("task.toml", "/dev/zero"), "task-directory", "task.toml is not a regular file"),
        (link("public", "/"), "unread-file", "public is not a regular file"),
        (link("public/more", "/"), "unread-file", "more is not a regular file"),
        (pipe, "unread-file", "pipe is not a regular file"),
        (huge, "unread-file", "train.csv has more than"),
        (lambda corpus: (corpus / "task-a" / "public" / "x").write_text("y"), "content-hash", "x is not part"),
        (lambda corpus: shutil.rmtree(corpus / "task-b"), "manifest", "is no directory here"),
        (lambda corpus: shutil.copytree(corpus / "task-b", corpus / "task-c"), "manifest", "not in the manifest"),
        (lambda corpus: (corpus / "run-me.sh").write_text("true"), "manifest", "run-me.sh is not in the manifest"),
        (edit_ledger, "manifest", "ledger.jsonl is not the manifest's"),
        (lambda corpus: (corpus / "ledger.jsonl").unlink(), "manifest", "ledger.jsonl is missing"),
        (lambda corpus: (corpus / "synthesis.toml").write_text(""), "manifest", "synthesis.toml is not"),
    ],
)
def test_whatever_was_done_to_a_corpus_is_found(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, tamper: Callable[[Path], object], check: str, said: str
) -> None:
    # A file of terabytes is given up as soon as it is too large.
    monkeypatch.setattr(file_trees, "MAX_FILE_BYTES", 4 * 2**20)
    tamper(corpus)
    problems = [problem for _, problem in verify_corpus(corpus).problems]
    assert check in [problem.check for problem in problems]
    assert any(said in problem.message for problem in problems), problems


def test_a_folder_that_is_a_link_is_not_followed(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(corpus)
    with pytest.raises(TaskError, match="links are not followed"):
        verify_corpus(tmp_path / "link")
    outside = tmp_path / "outside"
    shutil.move(corpus / "task-a", outside)
    (corpus / "task-a").symlink_to(outside)
    assert "is no directory here" in verify_corpus(corpus).problems[0][1].message


@pytest.mark.parametrize("task_id", ["../task-a", "/etc", "task-a/../..", ".."])
def test_a_manifest_cannot_name_what_lies_outside(corpus: Path, task_id: str) -> None:
    path = corpus / MANIFEST_NAME
    document = json.loads(path.read_text())
    document["tasks"][task_id] = "0" * 64
    path.write_text(json.dumps(document))
    with pytest.raises(TaskError, match=r"manifest\.json: tasks\."):
        verify_corpus(corpus)


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"format": 2}'])
def test_a_manifest_that_is_none_is_refused(corpus: Path, content: bytes) -> None:
    (corpus / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(TaskError, match=r"manifest\.json: "):
        verify_corpus(corpus)


def test_without_a_manifest_there_is_nothing_to_hold_it_against(corpus: Path) -> None:
    (corpus / MANIFEST_NAME).unlink()
    with pytest.raises(TaskError, match=r"no manifest\.json to hold it against"):
        verify_corpus(corpus)


def test_a_task_alone_is_held_against_its_own_hashes(corpus: Path) -> None:
    assert verify_corpus(corpus / "task-a").problems == ()
    swap_answers(corpus)
    assert [one.check for _, one in verify_corpus(corpus / "task-a").problems] == ["content-hash"]
    with pytest.raises(TaskError, match="hash is of a whole corpus"):
        verify_corpus(corpus / "task-a", "0" * 64)


def test_a_spec_that_nests_without_end_is_no_crash(corpus: Path) -> None:
    (corpus / "task-a" / "task.toml").write_text("x = " + "[" * 100_000)
    problems = [problem for name, problem in verify_corpus(corpus).problems if name == "task-a"]
    assert [problem.check for problem in problems] == ["task-directory"]


def test_a_spec_cannot_name_what_lies_outside(corpus: Path) -> None:
    path = corpus / "task-a" / "task.toml"
    spec = read_spec(path.parent)
    hashes = {**spec.provenance.content_sha256, "../task-b/task.toml": "0" * 64}
    provenance = spec.provenance.model_copy(update={"content_sha256": hashes})
    path.write_text(spec_toml(spec.model_copy(update={"provenance": provenance})))
    messages = [problem.message for name, problem in verify_corpus(corpus).problems if name == "task-a"]
    assert len(messages) == 1
    assert "task-b/task.toml is missing" in messages[0]


def test_the_manifest_is_small_and_says_what_it_says(corpus: Path) -> None:
    manifest = Manifest.model_validate_json((corpus / MANIFEST_NAME).read_bytes())
    assert list(manifest.tasks) == ["task-a", "task-b"]
