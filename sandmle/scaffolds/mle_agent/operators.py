"""What the three actions do in our environment, and the results that the policy reads.

MLE-Dojo runs every program in a process of its own and takes the submission away afterwards. Here the
programs of an episode share one session, so a program that relies on an earlier one's variables works where
MLE-Dojo's would not; the submission is taken away all the same.
"""

from dataclasses import dataclass
from typing import Final

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.trajectory import Action, ActionKind, Observation
from sandmle.scaffolds.mle_agent.parse import Decision, Operator

INFO_TYPES: Final = ("overview", "sample_submission", "data_structure", "data_path", "output_path")

SHOW_SAMPLE: Final = 'print(__import__("pandas").read_csv("data/sample_submission.csv").head(3).to_dict())'
TAKE_AWAY: Final = '__import__("pathlib").Path("submission.csv").unlink(missing_ok=True)'
"""A validated program submits nothing, and the next program must not pass off the last one's submission as its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an action came to."""

    text: str
    failed: bool = False
    """Decides between the two prompts that show a result."""


async def carry_out(episode: EpisodeContext, decision: Decision) -> Result:
    """Do what was decided."""
    if decision.operator is Operator.REQUEST_INFO:
        return await _tell(episode, decision.argument)
    if not decision.argument.strip():
        return Result(text="Nothing was run: the code is empty.", failed=True)
    ran = await episode.act(Action(kind=ActionKind.RUN_CODE, code=decision.argument))
    if decision.operator is Operator.VALIDATE_CODE:
        result = _validated(ran)
    elif ran.cell is not CellStatus.OK:
        result = Result(text=f"Execution failed, and nothing was submitted.\n{_output(ran)}", failed=True)
    else:
        result = _executed(ran, await episode.act(Action(kind=ActionKind.SUBMIT)))
    await episode.act(Action(kind=ActionKind.RUN_CODE, code=TAKE_AWAY))
    return result


async def _tell(episode: EpisodeContext, info_type: str) -> Result:
    task = episode.task
    match info_type:
        case "overview":
            return Result(text=task.description.strip())
        case "data_structure":
            return Result(text="\n".join(task.files))
        case "data_path":
            return Result(text="data, a folder of the working directory")
        case "output_path":
            return Result(text="the working directory: write submission.csv without a folder before it")
        case "sample_submission":
            ran = await episode.act(Action(kind=ActionKind.RUN_CODE, code=SHOW_SAMPLE))
            return Result(text=ran.text.strip(), failed=ran.cell is not CellStatus.OK)
    return Result(text=f"There is no such information; info_type must be one of {', '.join(INFO_TYPES)}.", failed=True)


def _validated(ran: Observation) -> Result:
    if ran.cell is CellStatus.OK:
        return Result(text=f"The code ran without an error.\n{_output(ran)}")
    return Result(text=f"Validation failed.\n{_output(ran)}", failed=True)


def _executed(ran: Observation, looked_at: Observation) -> Result:
    valid = looked_at.grade is not None and looked_at.grade.valid
    return Result(
        text=f"The code ran without an error.\n{_output(ran)}\n\nSubmission:\n{looked_at.text}", failed=not valid
    )


def _output(ran: Observation) -> str:
    return f"Output:\n{ran.text.strip()}"
