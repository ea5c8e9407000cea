"""What both bridges do alike: where the peer's code runs, what it says of competitions, who grades, what data lacks."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandmle.core.engine.doctor import Finding
from sandmle.core.errors import TaskError
from sandmle.core.types.score import Grade
from sandmle.plugins.benchmarks.peers.checkout import commit_of
from sandmle.plugins.benchmarks.peers.config import PeerConfig
from sandmle.plugins.benchmarks.peers.examining import KAGGLE_VARIABLES, many, rules_finding, token_finding
from sandmle.plugins.benchmarks.peers.grader import Desk, PeerGrader
from sandmle.plugins.benchmarks.peers.process import PeerPlace, ask_all
from sandmle.plugins.benchmarks.peers.selection import Selection

Said = Mapping[str, Any]


def place_of(config: PeerConfig, worker: Path, *, kaggle: bool) -> PeerPlace:
    """Where a peer's code is run; with Kaggle's variables, and without a limit on memory, only to prepare."""
    export = [config.export.absolute()] if config.export is not None else []
    return PeerPlace(
        worker=worker,
        python=config.python,
        path=(config.checkout.absolute(), *export),
        memory_mb=0 if kaggle else config.grader_memory_mb,
        variables=KAGGLE_VARIABLES if kaggle else (),
    )


def grader_of(config: PeerConfig, place: PeerPlace, arguments: Said, read: Callable[[Said, Said], Grade]) -> PeerGrader:
    """A grader that asks the peer's code; `read` makes a `Grade` of (its reply, the view's record)."""
    return PeerGrader(
        Desk(
            place=place,
            arguments=arguments,
            read=read,
            work=config.work_folder,
            deadline_s=config.grade_timeout_s,
            max_bytes=config.max_submission_mb * 2**20,
        )
    )


def described(
    place: PeerPlace, arguments: Said, ids: Sequence[str], deadline_s: float, benchmark: str
) -> dict[str, Said]:
    """What the peer's code says of each competition.

    Args:
        place: where it runs.
        arguments: of every request.
        ids: the competitions.
        deadline_s: seconds for all of them together.
        benchmark: as commands name it.

    Raises:
        TaskError: it cannot load one of them.
    """
    requests = [{"op": "describe", **arguments, "competition_id": one} for one in ids]
    replies = dict(zip(ids, ask_all(place, requests, deadline_s), strict=True))
    for one, reply in replies.items():
        if "error" in reply:
            raise TaskError(
                f"{benchmark} cannot load {one}: {reply['error']['message']}; "
                f"`sandmle doctor --benchmark {benchmark}` says what is missing"
            )
    return {one: reply["result"] for one, reply in replies.items()}


def checkout_finding(config: PeerConfig, selection: Callable[[], Selection]) -> Finding:
    """Whether the checkout and the split can be used at all; where they cannot, nothing else is looked at."""
    try:
        selection().ids()
    except TaskError as problem:
        return Finding(name="checkout", verdict="failed", detail=str(problem))
    commit = commit_of(config.checkout) or "of no known commit"
    return Finding(name="checkout", verdict="ok", detail=f"{config.checkout}, {commit}")


def data_findings(selection: Selection) -> list[Finding]:
    """What is not prepared, what Kaggle needs before it can be, and what is known to be wrong with competitions."""
    ids = selection.ids()
    missing = [one for one in ids if not selection.is_prepared(one)]
    remedy = "sandmle benchmarks prepare --competition {} (see --help)"
    unprepared = {one: (f"{selection.data / one} is not prepared", remedy.format(one)) for one in missing}
    known = {one: ("; ".join(labels), "") for one in ids if (labels := selection.labels(one))}
    return [
        *many("data", unprepared, f"{len(ids)} competitions are prepared in {selection.data}"),
        token_finding(missing),
        rules_finding(missing),
        *many("known issue", known, f"none in {selection.split}", fatal=False),
    ]
