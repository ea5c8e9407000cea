import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sandmle.core.engine.tasks import write_task
from sandmle.core.errors import TaskError
from sandmle.plugins.synthesizer.audit import audit

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def corpus(accepted, tmp_path: Path) -> Path:
    task, _ = accepted
    write_task(tmp_path, task)
    line = {
        "index": 0,
        "seed_id": "doors",
        "rng_seed": 11,
        "task_id": task.spec.task_id,
        "check": None,
        "detail": "",
        "tries": {},
    }
    (tmp_path / "ledger.jsonl").write_text(json.dumps(line) + "\n")
    return tmp_path


def only_task(corpus: Path) -> Path:
    return next(path.parent for path in corpus.glob("*/task.toml"))


def checks(corpus: Path) -> set[str]:
    return {problem.check for _, problem in audit(corpus).problems}


async def test_nothing_is_found_on_a_good_corpus(corpus: Path) -> None:
    report = audit(corpus)
    assert (report.tasks, report.problems) == (1, ())
    assert audit(only_task(corpus)).problems == ()


def rewrite(name: str, old: str, new: str) -> Callable[[Path], None]:
    def damage(task: Path) -> None:
        text = (task / name).read_text()
        assert old in text
        (task / name).write_text(text.replace(old, new, 1))

    return damage


def delete(name: str) -> Callable[[Path], None]:
    return lambda task: (task / name).unlink()


def link_to_everything(task: Path) -> None:
    (task / "public" / "more").symlink_to("/")


def leads_deep_and_elsewhere(task: Path) -> None:
    """So deep that the rest is not looked at by hash; none of it may be followed all the same."""
    (task / "public" / "/".join("deep" * 20)).mkdir(parents=True)
    board = task / "private" / "leaderboard.csv"
    board.unlink()
    board.symlink_to("/proc/self/mem")


def plan_without(kind: str) -> Callable[[Path], None]:
    return rewrite("private/strategy.json", f'"kind": "{kind}"', '"kind": "number"')


def copy_answers(task: Path) -> None:
    shutil.copy(task / "private" / "answers.csv", task / "public" / "answers.csv")


def swap_ranks(task: Path) -> None:
    path = task / "private" / "leaderboard.csv"
    lines = path.read_text().splitlines()
    lines[2], lines[3] = lines[3], lines[2]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (rewrite("public/train.csv", "oak", "elm"), {"content-hash"}),
        (rewrite("description.md", "rmse", "the error"), {"content-hash", "description-names"}),
        (copy_answers, {"content-hash", "file-schema"}),
        (delete("private/answers.csv"), {"task-directory"}),
        (delete("private/oracle.csv"), {"content-hash", "file-schema"}),
        (link_to_everything, {"unread-file"}),
        (delete("private/solutions/shrunk-3.py"), {"content-hash"}),
        (delete("private/strategy.json"), {"content-hash", "strategy"}),
        (leads_deep_and_elsewhere, {"task-directory"}),
        (plan_without("id"), {"content-hash", "strategy"}),
        (plan_without("target"), {"content-hash", "strategy"}),
        (rewrite("private/strategy.json", '"metric": "rmse"', '"metric": "none"'), {"content-hash", "strategy"}),
        (swap_ranks, {"content-hash", "board"}),
        (rewrite("private/leaderboard.csv", "rank,score", "place,score"), {"content-hash", "board"}),
        (
            rewrite("task.toml", 'name = "rmse"\ndirection = "min"', 'name = "rmse"\ndirection = "max"'),
            {"metric", "thresholds-order", "board"},
        ),
        (rewrite("task.toml", "gold = ", "gold = 1"), {"board", "thresholds-order"}),
        (rewrite("task.toml", 'code_sha256 = "', 'code_sha256 = "0'), {"solutions"}),
        (rewrite("task.toml", 'task_id = "tabular', 'task_id = "image'), {"task-id"}),
        (rewrite("task.toml", "schema_version = 1", "schema_version = 9"), {"task-directory"}),
    ],
)
async def test_what_is_not_as_it_should_be_is_named(
    corpus: Path, damage: Callable[[Path], None], expected: set[str]
) -> None:
    damage(only_task(corpus))
    assert checks(corpus) == expected


async def test_a_task_that_is_gone_and_one_that_came_from_elsewhere_are_named(corpus: Path) -> None:
    task = only_task(corpus)
    shutil.copytree(task, corpus / "stranger")
    task.rename(corpus / "renamed")
    messages = {problem.message for name, problem in audit(corpus).problems if problem.check == "ledger"}
    assert messages == {
        f"{task.name} was accepted and is gone",
        "renamed is not in the ledger",
        "stranger is not in the ledger",
    }


async def test_a_sample_submission_that_is_the_oracles_is_named(accepted, tmp_path: Path) -> None:
    task, _ = accepted
    write_task(tmp_path, replace(task, public={**task.public, "sample_submission.csv": task.private["oracle.csv"]}))
    assert checks(tmp_path) == {"public-answers"}


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.mkdir()])
async def test_a_ledger_that_is_no_file_is_a_problem_and_is_not_waited_for(corpus: Path, make) -> None:
    (corpus / "ledger.jsonl").unlink()
    make(corpus / "ledger.jsonl")
    messages = " ".join(problem.message for _, problem in audit(corpus).problems)
    assert re.search(r"ledger\.jsonl (is not a regular file|cannot be read: Is a directory)", messages)


async def test_a_task_that_is_larger_than_a_script_may_make_it_is_not_read_into_memory(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandmle.plugins.synthesizer.audit.most_bytes", lambda train_rows: 1000)
    assert checks(corpus) == {"unread-file"}


async def test_an_empty_folder_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no tasks"):
        audit(tmp_path)
    with pytest.raises(TaskError, match="not a directory"):
        audit(tmp_path / "nowhere")
