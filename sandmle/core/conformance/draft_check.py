"""What every check of drafts, a hook `sandmle_check_task`, has to pass itself. Shipped to plugin authors."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from sandmle.core.conformance.drafts import sample_draft, sample_evidence
from sandmle.core.errors import PluginError, boundary
from sandmle.core.types.synthesis import Evidence, TaskDraft, TaskProblem

_NAME: Final = re.compile(r"[a-z0-9]+([-:][a-z0-9]+)*")


def check_draft_check(judge: Callable[..., Any], what: str = "the check") -> None:
    """Have a check judge a sound draft, a leaking one, one without a description and a duplicate, each twice.

    Whether the sound draft passes is the check's own affair.

    Args:
        judge: the function that implements the hook `sandmle_check_task`, called with `task` and `evidence`.
        what: names it in messages.

    Raises:
        PluginError: it breaks a promise of the hook; the message says which.
    """
    for draft, evidence in _cases():
        first, again = (_judged(judge, draft, evidence, what) for _ in range(2))
        if first != again:
            raise PluginError(f"{what} judged the same draft in two ways: {first} and then {again}")


def _cases() -> Sequence[tuple[TaskDraft, Evidence]]:
    draft, evidence = sample_draft(), sample_evidence()
    leaking = replace(evidence, leak_probes={"id": 0.9, "row-order": 0.9}, agreement=1.0)
    undescribed = replace(draft, description="")
    second = replace(evidence, accepted=(draft.spec,))
    return ((draft, evidence), (draft, leaking), (undescribed, evidence), (draft, second))


def _judged(judge: Callable[..., Any], draft: TaskDraft, evidence: Evidence, what: str) -> list[TaskProblem]:
    with boundary(PluginError, f"{what} failed instead of judging"):
        found: object = judge(task=draft, evidence=evidence)
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise PluginError(
            f"{what} gave a {type(found).__name__}; give a list of sandmle.TaskProblem, empty where nothing is wrong"
        )
    for problem in found:
        if not isinstance(problem, TaskProblem):
            raise PluginError(f"{what} gave a {type(problem).__name__} in its list; give sandmle.TaskProblem objects")
        if not isinstance(problem.check, str) or not _NAME.fullmatch(problem.check):
            raise PluginError(
                f"{what}: {problem.check!r} is no name that rejections can be counted under; take lower case letters, "
                "digits and hyphens"
            )
        if not isinstance(problem.message, str) or not problem.message.strip():
            raise PluginError(f"{what}: its problem {problem.check!r} has no message; say what is wrong with the draft")
    return list(found)
