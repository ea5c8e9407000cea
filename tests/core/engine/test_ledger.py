import json
from dataclasses import replace
from pathlib import Path

import pytest

from sandmle.core.conformance.copying import copying_draft
from sandmle.core.engine.ledger import LedgerLine, count_rejections, open_corpus, read_ledger
from sandmle.core.engine.tasks import read_spec, write_task
from sandmle.core.errors import RunError
from sandmle.core.types.synthesis import TaskDraft

SETTINGS = {"rng_seed": 7, "synthesis": {"model": "offline/roles"}}


def draft(task_id: str) -> TaskDraft:
    made = copying_draft(task_id)
    provenance = made.spec.provenance.model_copy(update={"seed_id": "s"})
    return replace(made, spec=made.spec.model_copy(update={"title": f"Title of {task_id}", "provenance": provenance}))


def line(index: int, task_id: str | None = None, check: str | None = "leak-probe") -> LedgerLine:
    return LedgerLine(
        index=index,
        seed_id="s",
        rng_seed=index,
        task_id=task_id,
        check=None if task_id else check,
        detail="why",
        tries={"role": 1},
    )


def test_a_committed_task_is_in_sight_and_in_the_ledger(tmp_path: Path) -> None:
    with open_corpus(tmp_path / "A", SETTINGS) as corpus:
        corpus.commit(line(0), None)
        corpus.commit(line(1, "one"), draft("one"))
        assert [spec.task_id for spec in corpus.accepted] == ["one"]
        assert corpus.titles("s", below=2) == ("Title of one",)
        assert corpus.titles("s", below=1) == corpus.titles("other", below=2) == ()
    assert (tmp_path / "A" / "one" / "task.toml").is_file()
    assert [one.index for one in read_ledger(tmp_path / "A")] == [0, 1]


def test_hashes_of_single_rows_files_stand_on_disk_and_not_in_memory(tmp_path: Path) -> None:
    made = draft("one")
    made = replace(made, public={**made.public, "images/1.png": b"a picture"})
    with open_corpus(tmp_path, SETTINGS) as corpus:
        corpus.commit(line(0, "one"), made)
        (kept,) = corpus.accepted
    with open_corpus(tmp_path, SETTINGS) as corpus:
        assert corpus.accepted == (kept,)
    written = read_spec(tmp_path / "one").provenance.content_sha256
    assert set(written) - set(kept.provenance.content_sha256) == {"public/images/1.png"}


def test_drafts_are_committed_in_index_order_only(tmp_path: Path) -> None:
    with open_corpus(tmp_path, SETTINGS) as corpus, pytest.raises(ValueError, match="draft 1"):
        corpus.commit(line(1), None)


def test_a_torn_last_line_is_cut_and_the_draft_made_again(tmp_path: Path) -> None:
    with open_corpus(tmp_path, SETTINGS) as corpus:
        corpus.commit(line(0), None)
    whole = (tmp_path / "ledger.jsonl").read_bytes()
    (tmp_path / "ledger.jsonl").write_bytes(whole + whole[:20])
    assert len(read_ledger(tmp_path)) == 1
    with open_corpus(tmp_path, SETTINGS) as corpus:
        assert len(corpus.lines) == 1
        corpus.commit(line(1), None)
    assert [one.index for one in read_ledger(tmp_path)] == [0, 1]


def test_a_task_whose_line_was_written_is_moved_into_sight_on_resume(tmp_path: Path) -> None:
    with open_corpus(tmp_path, SETTINGS):
        pass
    write_task(tmp_path / ".staging", draft("one"))
    (tmp_path / "ledger.jsonl").write_text(json.dumps(line(0, "one").model_dump()) + "\n")
    with open_corpus(tmp_path, SETTINGS) as corpus:
        assert [spec.task_id for spec in corpus.accepted] == ["one"]
    assert (tmp_path / "one" / "task.toml").is_file()
    assert not (tmp_path / ".staging").exists()


def test_a_staged_task_without_a_line_is_removed(tmp_path: Path) -> None:
    with open_corpus(tmp_path, SETTINGS):
        pass
    write_task(tmp_path / ".staging", draft("one"))
    with open_corpus(tmp_path, SETTINGS) as corpus:
        assert corpus.accepted == ()
        corpus.commit(line(0, "one"), draft("one"))
    assert (tmp_path / "one").is_dir()


def test_an_accepted_task_that_is_gone_is_said(tmp_path: Path) -> None:
    with open_corpus(tmp_path, SETTINGS) as corpus:
        corpus.commit(line(0, "one"), draft("one"))
    (tmp_path / "one").rename(tmp_path.parent / f"{tmp_path.name}-elsewhere")
    with pytest.raises(RunError, match="one is gone"), open_corpus(tmp_path, SETTINGS):
        pass


def test_changed_settings_are_refused_with_the_difference(tmp_path: Path) -> None:
    with open_corpus(tmp_path, SETTINGS):
        pass
    changed = {"rng_seed": 8, "synthesis": {"model": "offline/roles", "tries": 3}}
    told = r"(?s)rng_seed: was 7, is 8.*tries: was '\(absent\)', is 3"
    with pytest.raises(RunError, match=told), open_corpus(tmp_path, changed):
        pass


def test_a_folder_that_is_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match=r"thesis\.tex"), open_corpus(tmp_path, SETTINGS):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_place_where_no_folder_can_be_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("a" * 300)):
        with pytest.raises(RunError, match="cannot be used: "), open_corpus(place, SETTINGS):
            pass


def test_two_processes_cannot_hold_one_corpus(tmp_path: Path) -> None:
    refused = pytest.raises(RunError, match="another process")
    with open_corpus(tmp_path, SETTINGS), refused, open_corpus(tmp_path, SETTINGS):
        pass


def test_what_the_callers_block_raises_passes_unchanged(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_corpus(tmp_path, SETTINGS):
        raise ZeroDivisionError


@pytest.mark.parametrize("damage", ["not json\n", '{"index": 5}\n'])
def test_a_damaged_line_is_named(tmp_path: Path, damage: str) -> None:
    with open_corpus(tmp_path, SETTINGS) as corpus:
        corpus.commit(line(0), None)
    path = tmp_path / "ledger.jsonl"
    path.write_text(damage + path.read_text())
    with pytest.raises(RunError, match="line 1"):
        read_ledger(tmp_path)


def test_a_ledger_that_names_a_path_moves_nothing_of_the_users(tmp_path: Path) -> None:
    root = tmp_path / "downloaded" / "corpus"
    with open_corpus(root, SETTINGS):
        pass
    (root / ".staging").mkdir()
    (tmp_path / "downloaded" / "thesis").mkdir()
    hostile = line(0).model_copy(update={"task_id": "../thesis", "check": None})
    (root / "ledger.jsonl").write_text(json.dumps(hostile.model_dump()) + "\n")
    with pytest.raises(RunError, match="line 1: not a ledger line"), open_corpus(root, SETTINGS):
        pass
    assert (tmp_path / "downloaded" / "thesis").is_dir()


def test_an_edited_order_is_named(tmp_path: Path) -> None:
    text = "".join(json.dumps(line(index).model_dump()) + "\n" for index in (0, 2))
    (tmp_path / "ledger.jsonl").write_text(text)
    with pytest.raises(RunError, match="draft 2 where 1 belongs"):
        read_ledger(tmp_path)


def test_text_that_utf8_cannot_hold_does_not_break_the_ledger(tmp_path: Path) -> None:
    with open_corpus(tmp_path, SETTINGS) as corpus:
        corpus.commit(line(0).model_copy(update={"detail": "half \ud800 a pair\nnext"}), None)
    assert len(read_ledger(tmp_path)) == 1


def test_rejections_are_counted_by_check_most_first() -> None:
    lines = [line(0, check="a"), line(1, check="b"), line(2, "one"), line(3, check="b")]
    assert list(count_rejections(lines).items()) == [("b", 2), ("a", 1)]
