"""What the local trainer takes as tasks: synthetic ones, from a folder or a manifest."""

import shutil
from pathlib import Path

import pytest

from sandmle.core.errors import TaskError
from sandmle.plugins.trainers.local.playing import read_tasks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from sandmle.plugins.seeds.realdata.benchmark import RealData
    from sandmle.plugins.seeds.realdata.config import RealDataConfig

    (made,) = RealData(RealDataConfig(path=tmp_path / "tasks", repeats=1, seed_ids=("iris-species",))).task_dirs()
    synthetic = made.with_name("synthetic")
    shutil.copytree(made, synthetic)
    spec = synthetic / "task.toml"
    spec.write_text(spec.read_text().replace('origin = "real"', 'origin = "synthetic"'))
    return made.parent


def test_real_rows_are_refused_wherever_they_lie(folder: Path) -> None:
    with pytest.raises(TaskError, match="real data that is kept for measuring"):
        read_tasks(folder)
    manifest = folder / "train.txt"
    manifest.write_text("synthetic\nreal-iris-species-0-0\n")
    with pytest.raises(TaskError, match="real data that is kept for measuring"):
        read_tasks(manifest)


def test_a_manifest_of_synthetic_tasks_is_taken(folder: Path) -> None:
    manifest = folder / "train.txt"
    manifest.write_text("synthetic\n")
    assert [task.layout.root for task in read_tasks(manifest)] == [folder / "synthetic"]
