from pathlib import Path

import pytest

from sandmle.core.errors import ConfigError, TaskError
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.hooks.registry import Kind


@pytest.fixture
def corpus_of():
    registry = load_plugins(builtins=["sandmle.plugins.benchmarks.plugin"]).registry
    return lambda **options: registry.make(Kind.BENCHMARK, "corpus", options)


def make_task(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "task.toml").write_text("")
    return folder


def test_task_directories_are_listed_by_name_and_nothing_else(corpus_of, tmp_path):
    tasks = [make_task(tmp_path / name) for name in ("b", "a", "c")]
    make_task(tmp_path / ".draft")
    (tmp_path / "notes").mkdir()
    (tmp_path / "ledger.jsonl").write_text("")
    assert corpus_of(path=str(tmp_path)).task_dirs() == sorted(tasks)


def test_a_task_directory_is_a_corpus_of_one(corpus_of, tmp_path):
    task = make_task(tmp_path / "a")
    assert corpus_of(path=task).task_dirs() == [task]


def test_a_folder_without_tasks_is_a_clear_error(corpus_of, tmp_path):
    with pytest.raises(TaskError, match="holds no task directory"):
        corpus_of(path=tmp_path).task_dirs()
    with pytest.raises(TaskError, match="no such folder of tasks"):
        corpus_of(path=tmp_path / "nowhere").task_dirs()


def test_the_path_must_be_given(corpus_of):
    with pytest.raises(ConfigError, match=r"plugin\.benchmark\.corpus: no tasks are named; give --tasks DIR"):
        corpus_of()
