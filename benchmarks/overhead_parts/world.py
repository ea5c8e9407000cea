"""What is played: one small task made by hand, and what a scripted model says under each scaffold. No model thinks.

Every episode writes a submission in its first cell and does nothing in the others, so that what a step takes is what
the machinery takes.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sandmle.core.conformance.copying import copying_draft
from sandmle.core.engine.tasks import Task, write_task

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
    draft = copying_draft("estimate-y", test_rows=TEST_ROWS, train_rows=TRAIN_ROWS, description=_DESCRIPTION)
    return write_task(folder, draft)


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
