"""The grid's programs in the real sandbox, graded by the real grader, stored and found again."""

import json
import random
from pathlib import Path

import pytest

from sandmle.core.engine.tasks import Task, list_tasks, write_task
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import StoreError
from sandmle.core.types.score import Direction, Prediction
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import MetricRecord, Provenance, RowCounts, SubmissionFormat, TaskSpec, ThresholdRecord
from sandmle.plugins.llms.offline.demonstrator.measuring import STATS, measure
from sandmle.plugins.llms.offline.demonstrator.programs import Program

GOOD = Program(features="squares", fill="median", model="linear", setting="a", output="value")
PLAIN = Program(features="num", fill="median", model="linear", setting="a", output="value")
FAILS = Program(features="words", fill="median", model="linear", setting="a", output="value")


def write_parabola(folder: Path) -> Task:
    rng = random.Random(3)
    drawn = [(f"{rng.uniform(-1, 1):.4f}", f"{rng.uniform(-1, 1):.4f}") for _ in range(160)]
    rows = [f"{at},{a},{b},{float(a) ** 2 + 0.2 * float(b):.4f}" for at, (a, b) in enumerate(drawn, 100)]
    test = rows[80:]
    parts = {
        "train.csv": ["row_id,a,b,y", *rows[:80]],
        "test.csv": ["row_id,a,b", *[row.rpartition(",")[0] for row in test]],
        "sample_submission.csv": ["row_id,y", *[f"{row.split(',')[0]},0.3" for row in test]],
    }
    graded = [f"{row.split(',')[0]},{row.rpartition(',')[2]}" for row in test]
    answers = [f"{row},{'public' if at < 20 else 'private'}" for at, row in enumerate(graded)]
    spec = TaskSpec(
        task_id="parabola",
        title="Parabola",
        domain="tests",
        modality="tabular",
        task_type="regression",
        rule_family="square",
        noise_families=(),
        metric=MetricRecord(name="rmse", direction=Direction.MINIMIZE),
        submission=SubmissionFormat(id_column="row_id", target_columns=("y",), prediction=Prediction.VALUE),
        rows=RowCounts(train=80, public_board=20, private_board=60),
        dna={},
        thresholds=ThresholdRecord(gold=0.05, silver=0.07, bronze=0.1, median=0.2),
        solutions=(),
        checks_passed=(),
        provenance=Provenance(
            generator_model="-", rng_seed=0, index=0, seed_id="-", prompt_sha256={}, versions={}, content_sha256={}
        ),
    )
    draft = TaskDraft(
        spec=spec,
        description="## Metric\n\nrmse",
        public={name: ("\n".join(lines) + "\n").encode() for name, lines in parts.items()},
        private={
            "answers.csv": ("\n".join(["row_id,y,board", *answers]) + "\n").encode(),
            "leaderboard.csv": b"rank,score\n1,0.05\n2,0.3\n",
        },
    )
    return write_task(folder, draft)


@pytest.fixture
def toolkit(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return open_toolkit()


async def test_programs_run_are_graded_and_are_not_run_again(toolkit, tmp_path):
    write_parabola(tmp_path / "tasks")
    tasks = list_tasks(tmp_path / "tasks")
    told: list[tuple[int, int]] = []
    results = await measure(toolkit, tasks, [GOOD, FAILS, PLAIN], on_task=lambda done, of: told.append((done, of)))
    by_name = {one.program: one for one in results}
    assert by_name[GOOD.name].medal == "gold"
    assert by_name[PLAIN.name].medal == "none"
    assert by_name[GOOD.name].cv is not None
    assert by_name[GOOD.name].cv > 0.9
    # A submission that an earlier program left behind is not the failing one's.
    assert (by_name[FAILS.name].ran, by_name[FAILS.name].valid, by_name[FAILS.name].human_rank) == (False, False, 0.0)
    assert told == [(1, 1)]

    stats = tmp_path / "tasks" / STATS
    lines = stats.read_bytes()
    assert await measure(toolkit, tasks, [GOOD, FAILS, PLAIN]) == results
    assert stats.read_bytes() == lines

    # A kill in the middle of a line costs that line and no other.
    stats.write_bytes(lines[: lines.rindex(b'"program"')])
    again = await measure(toolkit, tasks, [GOOD, FAILS, PLAIN])
    assert [(one.program, one.medal) for one in again] == [(one.program, one.medal) for one in results]
    assert len(stats.read_bytes().splitlines()) == 3
    assert stats.read_bytes().startswith(b"".join(lines.splitlines(keepends=True)[:2]))


async def test_a_stored_line_that_is_no_result_is_named(toolkit, tmp_path):
    write_parabola(tmp_path / "tasks")
    stats = tmp_path / "tasks" / STATS
    stats.write_text(json.dumps({"task": 1}) + "\n" + json.dumps({}) + "\n")
    with pytest.raises(StoreError, match=r"stats\.jsonl, line 1 is no stored result"):
        await measure(toolkit, list_tasks(tmp_path / "tasks"), [GOOD])
