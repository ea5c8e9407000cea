"""`sandmle doctor --benchmark`: what stands in the way of playing a benchmark, each with its remedy."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from sandmle.core.engine.doctor import Finding
from sandmle.core.errors import TaskError
from sandmle.plugins.benchmarks.peers.config import PeerConfig
from sandmle.plugins.benchmarks.peers.process import PeerPlace, ask_all

IMPORT_S: Final = 300.0
KAGGLE_VARIABLES: Final = ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_CONFIG_DIR")
SHOWN: Final = 8


def kaggle_token() -> str | None:
    """Where Kaggle's client will find a token; None when it will find none.

    It looks at the environment (a name and a key, or one token), then at files of `~/.kaggle` (or of the folder that
    KAGGLE_CONFIG_DIR names).
    """
    if os.environ.get("KAGGLE_API_TOKEN"):
        return "the variable KAGGLE_API_TOKEN"
    if os.environ.get("KAGGLE_USERNAME") and os.environ.get("KAGGLE_KEY"):
        return "the variables KAGGLE_USERNAME and KAGGLE_KEY"
    folder = os.environ.get("KAGGLE_CONFIG_DIR")
    places = [Path(folder)] if folder else [Path.home() / ".kaggle", Path.home() / ".config" / "kaggle"]
    files = [place / name for place in places for name in ("kaggle.json", "access_token")]
    return next((str(file) for file in files if file.is_file()), None)


def token_finding(unprepared: Sequence[str]) -> Finding:
    """Whether Kaggle's client could log in, which only preparing needs."""
    name, found = "kaggle token", kaggle_token()
    if found is not None:
        return Finding(name=name, verdict="ok", detail=f"found: {found}")
    remedy = "create a token on kaggle.com (Settings, API) and save it as ~/.kaggle/kaggle.json, mode 600"
    if not unprepared:
        return Finding(name=name, verdict="absent", detail="none found; all data is prepared, so none is needed")
    return Finding(name=name, verdict="failed", detail="none found, and data has to be downloaded", remedy=remedy)


def rules_finding(unprepared: Sequence[str]) -> Finding:
    """Which rules have to be accepted by hand: Kaggle lets nobody ask by token whether they are."""
    if not unprepared:
        return Finding(name="kaggle rules", verdict="ok", detail="all data is prepared")
    links = ", ".join(f"https://www.kaggle.com/c/{one}/rules" for one in unprepared[:SHOWN])
    return Finding(
        name="kaggle rules",
        verdict="absent",
        detail=f"to download {len(unprepared)} competitions, their rules must have been accepted in a browser",
        remedy=f"accept them once, logged in as the token's owner: {links}{more(unprepared)}",
    )


def package_findings(
    config: PeerConfig, place: PeerPlace, needed: Mapping[str, str], optional: Mapping[str, str]
) -> list[Finding]:
    """Which packages the benchmark's interpreter lacks.

    Args:
        config: whose interpreter.
        place: the process to ask.
        needed: module to distribution, without which nothing can be graded.
        optional: module to `distribution: what for`.
    """
    try:
        [reply] = ask_all(place, [{"op": "check", "packages": [*needed, *optional]}], IMPORT_S)
    except TaskError as problem:
        return [Finding(name="interpreter", verdict="failed", detail=str(problem), remedy="name another: --python")]
    if "error" in reply:
        return [Finding(name="interpreter", verdict="failed", detail=reply["error"]["message"])]
    python, missing = config.python or "this interpreter", reply["result"]
    pip = f"{config.python or 'python'} -m pip install"
    lacking = [name for name in needed if name in missing]
    findings = [
        Finding(
            name="packages",
            verdict="failed" if lacking else "ok",
            detail=f"{python} cannot import {', '.join(lacking)}" if lacking else f"{python} has what grading needs",
            remedy=f"{pip} {' '.join(needed[name] for name in lacking)}" if lacking else "",
        )
    ]
    for name, said in optional.items():
        distribution, _, purpose = said.partition(": ")
        if name in missing:
            detail = f"cannot be imported ({missing[name]}); {purpose} needs it"
            findings.append(
                Finding(name=f"package {name}", verdict="absent", detail=detail, remedy=f"{pip} {distribution}")
            )
    return findings


def many(name: str, problems: Mapping[str, tuple[str, str]], fine: str, *, fatal: bool = True) -> list[Finding]:
    """One finding for each competition with a problem, `(detail, remedy)`; one that all is well when there is none."""
    if not problems:
        return [Finding(name=name, verdict="ok", detail=fine)]
    return [
        Finding(name=f"{name} {one}", verdict="failed" if fatal else "absent", detail=detail, remedy=remedy)
        for one, (detail, remedy) in problems.items()
    ]


def more(ids: Sequence[str]) -> str:
    """How many were not shown."""
    return f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
