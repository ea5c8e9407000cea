"""The stages of the GPU check are scripts: their folder is on the path when they run."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def beside_the_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts" / "gpu_check"))
