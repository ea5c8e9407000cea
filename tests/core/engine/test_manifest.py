"""A corpus against its manifest: nothing that was changed passes, and nothing of it is followed, run or read whole."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sandmle.core.conformance.copying import copying_draft
from sandmle.core.engine import file_trees
from sandmle.core.engine.ledger import LedgerLine, open_corpus
from sandmle.core.engine.manifest import MANIFEST_NAME, Manifest, verify_corpus, write_manifest
from sandmle.core.engine.tasks import read_spec, spec_toml, write_task
from sandmle.core.errors import TaskError

OTHER_ANSWERS = b"id,y,board\n1,3,private\n"


def line(index: int, task_id: str | None, detail: str = "because") -> LedgerLine:
    check = None if task_id else "leak-probe"
    return LedgerLine(index=index, seed_id="s", rng_seed=1, task_id=task_id, check=check, detail=detail, tries={})


def make(root: Path, detail: str = "because") -> str:
    with open_corpus(root, {"rng_seed": 7}) as corpus:
        corpus.commit(line(0, "task-a"), copying_draft("task-a"))
        corpus.commit(line(1, None, detail), None)
        corpus.commit(line(2, "task-b"), copying_draft("task-b"))
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
    (corpus / "task-a" / "private" / "answers.csv").write_bytes(OTHER_ANSWERS)


def swap_answers_and_their_hash(corpus: Path) -> None:
    swap_answers(corpus)
    path = corpus / "task-a"
    spec = read_spec(path)
    shutil.rmtree(path)
    made = copying_draft("task-a")
    write_task(corpus, replace(made, spec=spec, private={**made.private, "answers.csv": OTHER_ANSWERS}))


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


def exchange_public_and_private(corpus: Path) -> None:
    """Two files of one size."""
    one, other = corpus / "task-a" / "public" / "train.csv", corpus / "task-a" / "private" / "leaderboard.csv"
    other.write_bytes(b"0" * one.stat().st_size)
    one.rename(corpus / "kept")
    other.rename(one)
    (corpus / "kept").rename(other)


def write_twice_in_two_forms(corpus: Path) -> None:
    """A name of one letter, composed and decomposed: two names to this file system, and one to others."""
    for name in ("\u00e9.csv", "e\u0301.csv"):
        (corpus / "task-a" / "public" / name).write_text("id,y\n")


def name_no_text(corpus: Path) -> None:
    with open(os.fsencode(corpus / "task-a" / "public") + b"/\xff\n\x1b[2J", "wb"):
        pass


def records(name: str) -> Callable[[Path], None]:
    """A file that only `task.toml` knows of."""

    def tamper(corpus: Path) -> None:
        spec = read_spec(corpus / "task-a")
        hashes = {**spec.provenance.content_sha256, name: "0" * 64}
        provenance = spec.provenance.model_copy(update={"content_sha256": hashes})
        (corpus / "task-a" / "task.toml").write_text(spec_toml(spec.model_copy(update={"provenance": provenance})))

    return tamper


def replaced_by(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def tamper(corpus: Path) -> None:
        (corpus / name).unlink()
        make(corpus / name)

    return tamper


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
        (exchange_public_and_private, "content-hash", "public/train.csv has changed since"),
        (exchange_public_and_private, "content-hash", "private/leaderboard.csv has changed since"),
        (write_twice_in_two_forms, "content-hash", "\u00e9.csv is not part of the task"),
        (write_twice_in_two_forms, "content-hash", "e\u0301.csv is not part of the task"),
        (name_no_text, "content-hash", "is not part of the task"),
        (lambda corpus: (corpus / "task-a" / "public" / "it-is-2").mkdir(), "content-hash", "it-is-2 is not part"),
        (records("public/a\0b.csv"), "content-hash", "is missing"),
        (records("/etc/passwd"), "content-hash", "is missing"),
        (replaced_by("ledger.jsonl", os.mkfifo), "manifest", "ledger.jsonl is not a regular file"),
        (replaced_by("ledger.jsonl", lambda path: path.symlink_to("/dev/zero")), "manifest", "is not a regular file"),
        (replaced_by("synthesis.toml", os.mkfifo), "manifest", "synthesis.toml is not a regular file"),
        (lambda corpus: (corpus / "task-b").rename(corpus / "TASK-B"), "manifest", "TASK-B is not in the manifest"),
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


@pytest.mark.parametrize("task_id", ["../task-a", "/etc", "task-a/../..", "..", "task-a\0", "task-a\n", "\x1b[2J" * 99])
def test_a_manifest_cannot_name_what_lies_outside(corpus: Path, task_id: str) -> None:
    path = corpus / MANIFEST_NAME
    document = json.loads(path.read_text())
    document["tasks"][task_id] = "0" * 64
    path.write_text(json.dumps(document))
    with pytest.raises(TaskError, match=r"manifest\.json: tasks\.") as refused:
        verify_corpus(corpus)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 600


def test_a_manifest_that_says_one_thing_twice_is_refused(corpus: Path) -> None:
    path = corpus / MANIFEST_NAME
    text = path.read_text()
    first = next(line for line in text.splitlines() if '"task-a"' in line)
    for changed in (text.replace(first, f'{first}\n  "task-a": "{"0" * 64}",'), text.replace("{", '{"tasks": {},', 1)):
        path.write_text(changed)
        with pytest.raises(TaskError, match=r"manifest\.json: (task-a|tasks) stands in it 2 times"):
            verify_corpus(corpus)


def test_a_manifest_that_would_never_end_is_not_read(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = corpus / MANIFEST_NAME
    monkeypatch.setattr("sandmle.core.engine.manifest.MAX_MANIFEST_BYTES", 2**16)
    path.write_bytes(path.read_bytes() + b" " * 2**16)
    with pytest.raises(TaskError, match="has more than 65536 bytes"):
        verify_corpus(corpus)
    kinds: tuple[Callable[[Path], object], ...] = (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir)
    for make in kinds:
        path.unlink()
        make(path)
        with pytest.raises(TaskError, match=r"is not a regular file|Is a directory"):
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


@pytest.mark.parametrize(
    "key",
    [".".join(["a"] * 400_000), ".".join(['"\\""'] * 400_000), "[" + "a . " * 400_000 + "a]"],
    ids=["bare", "quoted", "header"],
)
def test_a_spec_whose_keys_would_take_hours_to_read_is_not_read(corpus: Path, key: str) -> None:
    (corpus / "task-a" / "task.toml").write_text(f"{key} = 1")
    [problem] = [problem for name, problem in verify_corpus(corpus).problems if name == "task-a"]
    assert "keys of too many parts" in problem.message


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
