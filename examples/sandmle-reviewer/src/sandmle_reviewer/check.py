"""The check: what the reviewer rejected does not become a task."""

from sandmle import Evidence, TaskProblem
from sandmle_reviewer.role import NAME, Review


def obey(evidence: Evidence) -> list[TaskProblem]:
    """Nothing where no reviewer played."""
    review = evidence.extra.get(NAME)
    if not isinstance(review, Review) or review.verdict == "accept":
        return []
    return [TaskProblem(check="reviewer-verdict", message="; ".join(review.concerns))]
