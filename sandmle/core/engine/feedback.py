"""What a submission tells the agent: the three modes, and the cap on scored submissions.

A board is an oracle of labels: each score is a measurement of the hidden answers. So the number of
distinct files that are told a score is capped; beyond the cap a file is still checked for its format.
"""

from sandmle.core.types.score import Direction, Grade
from sandmle.core.types.task import TaskSpec
from sandmle.core.types.trajectory import FeedbackMode

_BETTER = {Direction.MAXIMIZE: "higher is better", Direction.MINIMIZE: "lower is better"}


class Feedback:
    """The words for each verdict of one episode."""

    def __init__(self, *, spec: TaskSpec, mode: FeedbackMode, cap: int) -> None:
        self._spec = spec
        self._mode = mode
        self._cap = cap
        self._scored: set[str] = set()

    def say(self, grade: Grade, digest: str) -> str:
        """What the agent is told of the verdict on the file with this content hash."""
        if not grade.valid:
            return f"The submission is not valid: {grade.problem}"
        if self._mode is FeedbackMode.VALIDATE_ONLY:
            return "The submission is valid."
        # The same file again is told the same score: that measures nothing new.
        if digest not in self._scored and len(self._scored) >= self._cap:
            return (
                f"The submission is valid. All {self._cap} scored submissions of this episode are used, so its score "
                "is not shown. It still counts: the last valid submission is the final one."
            )
        self._scored.add(digest)
        lines = ["The submission is valid.", *self._scores(grade)]
        lines.append(f"Scored submissions left: {self._cap - len(self._scored)} of {self._cap}.")
        return "\n".join(lines)

    def _scores(self, grade: Grade) -> list[str]:
        metric = self._spec.metric
        unit = f"({metric.name}, {_BETTER[metric.direction]})"
        lines = [f"Score on the public board: {_number(grade.public_score)} {unit}"]
        if self._mode is FeedbackMode.FULL:
            board = self._spec.thresholds
            lines.append(f"Score on the private board: {_number(grade.score)}; medal: {grade.medal.value}")
            lines.append(
                f"Thresholds: gold {board.gold:.6g}, silver {board.silver:.6g}, bronze {board.bronze:.6g}, "
                f"median {board.median:.6g}"
            )
        return lines


def _number(score: float | None) -> str:
    return "not computed" if score is None else f"{score:.6g}"
