"""The stages of the GPU check are scripts: their folder is on the path when they run."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def beside_the_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts" / "gpu_check"))


@pytest.fixture
def toy_plan(tmp_path: Path) -> Any:
    """What the driver goes by, in a directory of the test's own."""
    from plan import SMALL, Plan

    for name in ("work", "heavy", "out"):
        (tmp_path / name).mkdir()
    return Plan(
        root=tmp_path,
        work=tmp_path / "work",
        heavy=tmp_path / "heavy",
        size="toy",
        device="cpu",
        dtype="bfloat16",
        amounts=SMALL,
    )
