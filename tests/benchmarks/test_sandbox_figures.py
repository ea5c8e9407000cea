"""What the sandbox benchmark makes of its measurements, and one small run of it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "sandbox.py"


def lap(**changed: float) -> dict[str, Any]:
    use = {"processes": 4, "open_files": 20, "mounts": 60, "memory_mib": 300.0}
    cost = {"sessions": 100, "wall_ms": 10.0, "cpu_ms": changed.pop("cpu_ms", 10.0)}
    return {**cost, "use": {**use, **changed}}


def document() -> dict[str, Any]:
    from sandbox_parts.figures import Record

    record = Record()
    for way, what, seconds in (
        ("bare exec", "session of 6 cells", 0.010),
        ("process L3, as an ordinary user", "session of 6 cells", 0.015),
        ("process L3, as an ordinary user", "start to first result", 0.003),
        ("jupyter_client, cold kernel", "session of 6 cells", 1.5),
        ("a <way> of its own", "trivial step", 0.001),
    ):
        for part in (0.5, 1.0, 1.5):
            record.add(way, what, part * seconds)
    return {
        "rows": record.figures(),
        "crowds": [{"concurrent": 8, "sessions": 8, "sessions_per_s": 9.0, "failures": 1}],
    }


def test_targets_are_judged_by_ratios_of_medians_and_what_was_not_measured_is_not_reached():
    from sandbox_parts.judging import as_data, verdicts

    judged = {one["what"]: one for one in as_data(verdicts(document()))}
    bare = judged["session of 6 cells over bare exec"]
    assert (round(bare["value"], 3), bare["reached"]) == (1.5, True)
    assert judged["a Jupyter kernel's session over it"]["reached"] is True
    assert judged["first result of a session kept ready, ms"]["reached"] is False
    assert judged["re-running scripts per step over it"]["reached"] is None
    assert judged["failures with 8 sessions alive at once"]["reached"] is False


def test_the_table_has_every_way_and_the_drawing_is_well_formed():
    from sandbox_parts.showing import svg, table

    text = table(document())
    assert "15.0 (7.50-22.5)" in text
    assert all(way in text for way in document()["rows"])
    assert len(ElementTree.fromstring(svg(document())).findall("{*}rect")) == 3
    assert ElementTree.fromstring(svg({"rows": {}})) is not None


@pytest.mark.parametrize(
    ("last", "word"),
    [
        ({}, None),
        ({"processes": 9}, "processes"),
        ({"open_files": 40}, "open_files"),
        ({"mounts": 80}, "mounts"),
        ({"memory_mib": 500.0}, "memory"),
    ],
)
def test_what_grew_during_a_soak_is_named(last: dict[str, float], word: str | None):
    from sandbox_parts.soak import problems

    found = problems([*(lap() for _ in range(9)), lap(**last)])
    assert [one.partition(":")[0] for one in found] == ([] if word is None else [word])


def test_a_cost_that_grows_is_named_and_one_dear_lap_is_not():
    from sandbox_parts.soak import problems

    assert problems([lap(cpu_ms=10.0 + at) for at in range(10)] + [lap(cpu_ms=90.0)]) == []
    assert "processor" in problems([lap(cpu_ms=10.0 + 3 * at) for at in range(10)])[0]


@pytest.mark.slow
def test_a_small_run_writes_figures_table_and_drawing(tmp_path: Path):
    words = ["--ways", "bare,process L2", "--rounds", "1", "--concurrent", "1,3", "--sessions", "3"]
    words += ["--density", "3", "--soak", "40", "--json", str(tmp_path / "out.json")]
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, timeout=900)
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["missing"] == {}, done.stderr
    assert done.returncode == 0, done.stderr
    assert set(found["rows"]) == {"bare exec", "process L2"}
    assert [one["failures"] for one in found["crowds"]] == [0, 0]
    assert found["soak"]["problems"] == []
    assert found["density"]["process L3, as an ordinary user"]["idle"]["per_gib"] > 50
    assert (tmp_path / "out.svg").read_text().startswith("<svg")
    assert "session of 6 cells over bare exec" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("SOAK"), reason="2,000 sessions take half a minute: SOAK=1")
async def test_two_thousand_sessions_leave_nothing_and_cost_the_same():
    from sandbox_parts.soak import soak

    from sandmle.plugins.sandboxes.config import ProcessConfig
    from sandmle.plugins.sandboxes.process.backend import ProcessSandbox

    sandbox = ProcessSandbox(ProcessConfig(zygotes=1))
    try:
        await sandbox.start()
        assert (await soak(sandbox, 2000))["problems"] == []
    finally:
        await sandbox.close()
