"""What is played: one small task made by hand, and what a scripted model says under each scaffold. No model thinks.

Every episode writes a submission in its first cell and does nothing in the others, so that what a step takes is what
the machinery takes.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.tasks import Task, write_task
from sandmle.core.types.score import Direction, Prediction
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import (
    MetricRecord,
    Provenance,
    RowCounts,
    SubmissionFormat,
    TaskSpec,
    ThresholdRecord,
)

TRAIN_ROWS, TEST_ROWS = 100, 400
FIRST: Final = "import shutil\nshutil.copy('data/sample_submission.csv', 'submission.csv')"
LATER: Final = "x = 1"
PROGRAM: Final = f"{FIRST}\nprint('validation rmse 0.5')"
REVIEW: Final = '{"is_bug": false, "summary": "It ran.", "metric": 0.5, "lower_is_better": true}'
SCAFFOLDS: Final = ("react", "codeact", "openai_tools", "mle_agent", "aide", "aira", "single_turn")
TREES: Final = ("aide", "aira")

_DESCRIPTION: Final = """
# Estimate y

`data/train.csv` has the columns id, x and y; `data/test.csv` has id and x. For every row of the test file, estimate y.

The metric is the root mean squared error; lower is better. Write `submission.csv` with the columns id and y, one row
for each row of the test file, in any order. The format is that of `data/sample_submission.csv`.
"""


def make_task(folder: Path) -> Task:
    """Write the task below `folder`."""
    spec = TaskSpec(
        task_id="estimate-y",
        title="Estimate y",
        domain="benchmarks",
        modality="tabular",
        task_type="regression",
        rule_family="identity",
        noise_families=("none",),
        metric=MetricRecord(name="rmse", direction=Direction.MINIMIZE),
        submission=SubmissionFormat(id_column="id", target_columns=("y",), prediction=Prediction.VALUE),
        rows=RowCounts(train=TRAIN_ROWS, public_board=TEST_ROWS // 2, private_board=TEST_ROWS // 2),
        dna={},
        thresholds=ThresholdRecord(gold=0.1, silver=0.2, bronze=0.4, median=0.5),
        solutions=(),
        checks_passed=(),
        provenance=Provenance(
            generator_model="by hand",
            rng_seed=0,
            index=0,
            seed_id="none",
            prompt_sha256={},
            versions={},
            content_sha256={},
        ),
    )
    rows, boards = range(TEST_ROWS), ("private", "public")
    public = {
        "train.csv": _table("id,x,y", (f"{row},{row},{row}" for row in range(TEST_ROWS, TEST_ROWS + TRAIN_ROWS))),
        "test.csv": _table("id,x", (f"{row},{row}" for row in rows)),
        "sample_submission.csv": _table("id,y", (f"{row},0" for row in rows)),
    }
    private = {
        "answers.csv": _table("id,y,board", (f"{row},{row},{boards[row % 2]}" for row in rows)),
        "leaderboard.csv": _table("rank,score", (f"{rank},{rank / 10}" for rank in range(1, 10))),
    }
    return write_task(folder, TaskDraft(spec=spec, description=_DESCRIPTION, public=public, private=private))


def _table(head: str, rows: Any) -> bytes:
    return "\n".join([head, *rows, ""]).encode()


def says(scaffold: str, messages: Sequence[Mapping[str, Any]]) -> str:
    """What the scripted model says next to a conversation in the form that providers take; a call is JSON.

    Under `openai_tools` the text is the code of the one native call that the reply holds.
    """
    last = str(messages[-1]["content"])
    if scaffold in TREES:
        # Of all that a tree search asks for, only a review is wanted as JSON.
        return REVIEW if "is_bug" in last else f"A plan in one sentence.\n\n```python\n{PROGRAM}\n```"
    code = LATER if any(one["role"] == "assistant" for one in messages) else FIRST
    match scaffold:
        case "react":
            return f"<think>Go on.</think>\n<tool_call>\npython\n<code>\n{code}\n</code>\n</tool_call>"
        case "codeact":
            return f"Go on.\n<execute>\n{code}\n</execute>"
        case "mle_agent":
            # Only what is executed counts as submitted.
            action = "execute_code" if code == FIRST else "validate_code"
            return json.dumps({"action": action, "params": {"code": code}})
        case "openai_tools":
            return code
        case _:
            return f"```python\n{code}\n```"
