"""Small tasks for a trainer that only has to name them."""

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tasks(tmp_path_factory) -> Path:
    path = Path(__file__).parents[1] / "local" / "toy_world.py"
    spec = importlib.util.spec_from_file_location("toy_tasks", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_tasks"] = module
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("openrlhf") / "tasks"
    for number, letter in enumerate("abcdab"):
        module.write_toy_task(folder, letter, number)
    return folder


@pytest.fixture(scope="session")
def task_folders(tasks) -> list[Path]:
    return sorted(path.parent for path in tasks.glob("*/task.toml"))
