"""Zygotes, kernels and containers are killed at random under running episodes; nothing is lost and nothing is left."""

import asyncio
import importlib.util
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import pytest

from sandmle.core.engine.tasks import read_task

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ENGINES = Path(__file__).parents[1] / "plugins" / "sandboxes" / "docker" / "engines.py"
EPISODES = {"process": 40, "jupyter": 10, "docker": 10}


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"kills_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def kills(monkeypatch, tmp_path):
    """The benchmark, with a directory for temporary files of its own."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    # Short, since sockets have their names in it, and open to the users of sessions.
    with tempfile.TemporaryDirectory(prefix="k") as directory:
        Path(directory).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", directory)
        yield _load(BENCHMARKS / "kills.py")


def check(kills, sandbox, task_dirs, tmp_path, **settings):
    """Play and judge; what was killed how often."""
    trial = kills.Trial(
        sandbox=sandbox, episodes=EPISODES[sandbox], concurrency=5, kill_every=3, seed=1,
        settings={"preload": (), **settings},
    )  # fmt: skip
    tally = asyncio.run(kills.play(trial, [read_task(task_dirs[0])], tmp_path / "run"))
    assert tally.problems == []
    assert tally.episodes == EPISODES[sandbox]
    assert tally.kills
    return tally


def test_killed_zygotes_guardians_and_sessions(kills, task_dirs, tmp_path):
    tally = check(kills, "process", task_dirs, tmp_path, zygotes=2)
    assert {"guardian", "zygote", "session"} & set(tally.kills)
    assert tally.failures >= 1
    assert tally.made_good + tally.left_out >= 1


def test_killed_kernels(kills, task_dirs, tmp_path):
    pytest.importorskip("ipykernel")
    check(kills, "jupyter", task_dirs, tmp_path, spares=0)


@pytest.mark.docker
def test_killed_containers(kills, task_dirs, tmp_path):
    engines = _load(ENGINES)
    with engines.private_engine() as private:
        engines.build_image(private.address)
        tally = check(kills, "docker", task_dirs, tmp_path, containers=1, engine=private.address, image=engines.IMAGE)
    assert tally.failures >= 1
