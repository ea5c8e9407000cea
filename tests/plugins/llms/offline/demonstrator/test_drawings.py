"""Drawings of a corpus are SVG that a browser reads, with a mark where a mix wants a bar to end."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from sandmle.core.conformance.drafts import sample_draft
from sandmle.core.engine.corpus_makeup import makeup_of
from sandmle.core.errors import UsageError
from sandmle.core.types.task import CalibrationRecord
from sandmle.plugins.llms.offline.demonstrator.drawings import bars, histogram, write_drawings


def test_every_margin_the_families_and_the_boards_are_drawn(tmp_path: Path) -> None:
    record = CalibrationRecord(standard_errors={}, agreement=0.9, halves=0.95, halves_top=0.8)
    specs = [sample_draft().spec.model_copy(update={"calibration": record})] * 3
    paths = write_drawings(tmp_path / "drawings", makeup_of(specs), specs, "paper")
    assert {path.stem for path in paths} >= {
        "modality",
        "task-type",
        "sector",
        "difficulty",
        "rule-families",
        "steadiness",
    }
    for path in paths:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write drawings"):
        write_drawings(tmp_path / "file", makeup_of(specs), specs, "paper")


def test_bars_are_as_long_as_their_values_and_names_are_escaped() -> None:
    root = ElementTree.fromstring(bars("a < b", {"x & y": 10.0, "z": 20.0}, {"z": 15.0}))
    widths = [float(one.attrib["width"]) for one in root if one.tag.endswith("rect")][1:]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.2)
    assert sum(one.tag.endswith("path") for one in root) == 1
    assert any(one.text == "x & y" for one in root)


def test_values_outside_are_counted_at_the_rims_and_none_are_drawn_as_none() -> None:
    root = ElementTree.fromstring(histogram("h", [-0.4, 0.01, 0.97, 1.0]))
    assert [one.text for one in root if one.tag.endswith("text") and one.text in ("1", "2")][:2] == ["2", "2"]
    assert ElementTree.fromstring(histogram("empty", [])) is not None
