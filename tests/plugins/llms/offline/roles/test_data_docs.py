"""docs/synthesizer-data.md names what there is."""

from pathlib import Path

import pytest

from sandmle.core.engine.mixes import MIXES
from sandmle.core.types.metrics import METRICS_BY_TASK_TYPE
from sandmle.plugins.llms.offline.roles.difficulty import DIFFICULTIES
from sandmle.plugins.llms.offline.roles.families.catalogue import FAMILIES
from sandmle.plugins.llms.offline.roles.noise import NOISES


@pytest.fixture(scope="module")
def lines() -> list[str]:
    root = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").is_file())
    return (root / "docs/synthesizer-data.md").read_text("utf-8").splitlines()


def test_every_family_stands_in_the_row_of_its_modality(lines: list[str]) -> None:
    for modality in {family.modality for family in FAMILIES}:
        rows = [line for line in lines if line.startswith(f"| `{modality}` | `")]
        assert len(rows) == 1
        named = rows[0].split("|")[2].replace("`", "").split(",")
        assert [name.strip() for name in named] == [one.name for one in FAMILIES if one.modality == modality]


def test_every_noise_metric_and_mix_is_named_where_it_belongs(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert [one.name for one in NOISES if f"`{one.name}`" not in text] == []
    assert [one for one in MIXES if f"--mix {one}" not in text] == []
    for task_type, metrics in METRICS_BY_TASK_TYPE.items():
        row = next(line for line in lines if line.startswith(f"| `{task_type}` |"))
        assert [name for name in metrics if f"`{name}`" not in row] == []


def test_the_table_of_difficulties_is_what_they_are(lines: list[str]) -> None:
    def row(start: str) -> list[str]:
        cells = next(line for line in lines if line.startswith(f"| {start}")).split("|")[2:-1]
        return [cell.strip() for cell in cells]

    levels = list(DIFFICULTIES.values())
    assert row("training rows") == [f"{low} to {high - 1}" for low, high in (one.train_rows for one in levels)]
    assert [float(cell) for cell in row("noise of the target")] == [one.target_noise for one in levels]
    assert [float(cell) for cell in row("part of a table")] == [one.plain_share for one in levels]
    assert [float(cell) for cell in row("share of tables")] == [one.two_rules for one in levels]
    for cell, one in zip(row("noise families beside"), levels, strict=True):
        assert cell == " or ".join(map(str, one.noises))
