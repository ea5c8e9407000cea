"""The bundle's evaluators, run where untrusted code runs, and what their verdicts show."""

import json
import math
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from sandmle.core.contracts.sandbox import Sandbox, SandboxSession
from sandmle.core.types.sandbox import CellStatus, SandboxLimits
from sandmle.plugins.exchange.releases.bundle import ANSWERS, Defect

_MARK: Final = "evaluator-verdict:"
_LIMITS: Final = SandboxLimits(workdir_mb=64)
_TIERS: Final = ("gold", "silver", "bronze", "median")


class ReleaseVerdict(BaseModel):
    """What an evaluator prints: one JSON object."""

    # Evaluators add what they like; only this is read.
    model_config = ConfigDict(frozen=True, extra="ignore")

    score: float | None
    is_lower_better: bool
    gold_threshold: float
    silver_threshold: float
    bronze_threshold: float
    median_threshold: float

    def thresholds(self) -> list[float]:
        """From the hardest to the easiest."""
        return [getattr(self, f"{tier}_threshold") for tier in _TIERS]

    def better(self, first: float, second: float) -> bool:
        """Whether `first` is strictly better."""
        return first < second if self.is_lower_better else first > second


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What running a task's evaluator showed."""

    verdict: ReleaseVerdict | None
    """On the sample submission; None when it gave none."""
    truth_score: float | None
    """Of the answers handed in."""
    defects: tuple[Defect, ...]


async def judge(sandbox: Sandbox, public: Path, deadline_s: float) -> Judgement:
    """Run an evaluator on the sample submission twice, on the answers and on an empty file.

    Args:
        sandbox: a started one.
        public: the bundle's public folder, evaluator and answers included: the session is the evaluator's own.
        deadline_s: seconds for each run.

    Raises:
        SandboxError: the machinery failed; what the evaluator did never raises.
    """
    async with sandbox.session(public_dir=public, limits=_LIMITS) as session:
        first = await _run(session, "sample_submission.csv", deadline_s)
        if isinstance(first, str):
            message = f"on the sample submission: {first}"
            return Judgement(
                verdict=None, truth_score=None, defects=(Defect(check="evaluator", message=message, fatal=True),)
            )
        again = await _run(session, "sample_submission.csv", deadline_s)
        truth = await _run(session, ANSWERS, deadline_s)
        empty = await _run(session, "", deadline_s)
    defects = sanity_defects(first)
    if again != first:
        message = "two runs on the sample submission do not agree"
        defects.append(Defect(check="deterministic", message=message, fatal=True))
    truth_score = None if isinstance(truth, str) else truth.score
    if (
        truth_score is not None
        and not first.better(truth_score, first.gold_threshold)
        and (truth_score != first.gold_threshold)
    ):
        defects.append(Defect(check="truth", message=f"the answers themselves score {truth_score}: no gold"))
    if not isinstance(empty, str) and empty.score is not None:
        defects.append(Defect(check="empty", message=f"an empty file scores {empty.score}"))
    return Judgement(verdict=first, truth_score=truth_score, defects=tuple(defects))


def sanity_defects(verdict: ReleaseVerdict) -> list[Defect]:
    """The paper's sanity filter: thresholds strictly ordered, and the hardest beats the sample submission.

    That the easiest does not beat it is a defect, too, and no reason to drop the task, as it was none there.
    """
    tiers, sample = verdict.thresholds(), verdict.score
    if sample is None or not math.isfinite(sample):
        return [Defect(check="sanity", message=f"the sample submission scores {sample}", fatal=True)]
    if not all(map(math.isfinite, tiers)):
        return [Defect(check="sanity", message=f"a threshold is no finite number: {tiers}", fatal=True)]
    defects = []
    if not all(verdict.better(hard, easy) for hard, easy in pairwise(tiers)):
        shown = ", ".join(f"{tier} {value:g}" for tier, value in zip(_TIERS, tiers, strict=True))
        defects.append(Defect(check="sanity", message=f"the thresholds are not strictly ordered: {shown}", fatal=True))
    if not verdict.better(tiers[0], sample):
        message = f"gold {tiers[0]:g} does not beat the sample submission's {sample:g}"
        defects.append(Defect(check="sanity", message=message, fatal=True))
    elif not verdict.better(tiers[-1], sample):
        message = f"the median {tiers[-1]:g} does not beat the sample submission's {sample:g}"
        defects.append(Defect(check="sample-beaten", message=message))
    return defects


async def _run(session: SandboxSession, source: str, deadline_s: float) -> ReleaseVerdict | str:
    """The verdict on a file of the bundle (an empty one for ""), or why there is none."""
    code = files(__package__).joinpath("evaluate.py.txt").read_text("utf-8").format(source=source, mark=_MARK)
    result = await session.run(code, deadline_s)
    if result.status is CellStatus.TIMEOUT:
        return f"the evaluator did not end within {deadline_s:g} s"
    line = next((one for one in reversed(result.stdout.splitlines()) if one.startswith(_MARK)), None)
    if line is None:
        return f"the evaluator ended its process ({result.status.value}): {result.stderr.strip()[-300:]}"
    try:
        exit_code, out, err = json.loads(line.removeprefix(_MARK))
    except ValueError:
        return "the evaluator printed more than is read"
    if exit_code:
        return f"exit code {exit_code}: {(str(err).strip() or str(out).strip())[-300:]}"
    return _parsed(str(out))


def _parsed(out: str) -> ReleaseVerdict | str:
    try:
        document: Any = json.loads(out)
    except (ValueError, RecursionError):
        return f"its output is no JSON object: {out.strip()[:100]!r}"
    try:
        return ReleaseVerdict.model_validate(document)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        return f"its output: {'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
