"""MLE-Dojo's own code at work, in its own interpreter. Not imported: run there by `peers/process.py`.

Nothing newer than Python 3.9. `export` names the module of an export, whose import makes its competitions known to
MLE-Dojo; empty for MLE-Dojo's own.
"""

import shutil
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any


class Opened:
    """The environment that this process has open: one at most."""

    environment: Any = None
    output: Path


def check(packages: list[str]) -> dict[str, str]:
    """Which of these packages this interpreter cannot import, each with the reason."""
    missing = {}
    for name in packages:
        try:
            import_module(name)
        # Whatever importing a stranger's package raises is what there is to say of it.
        except (Exception, SystemExit) as problem:  # noqa: BLE001
            missing[name] = f"{type(problem).__name__}: {problem}"
    return missing


def metric_of(export: str, competition_id: str) -> Any:
    """The metric class of a competition."""
    if export:
        import_module(export)
    found = import_module("mledojo.competitions").get_metric(competition_id)
    if found is None:
        # MLE-Dojo prints why, and goes on.
        raise ImportError(f"the metric of {competition_id} cannot be imported: a package it needs may be missing")
    return found


def registry_of(export: str, data: str, competition_id: str) -> Any:
    """A registry of MLE-Dojo's that holds this competition, as its own main program makes it."""
    gym = import_module("mledojo.gym.competition")
    made = gym.CompetitionRegistry()
    made.register(
        name=competition_id,
        data_dir=str(Path(data) / competition_id / "data"),
        comp_info=gym.CompInfo(),
        metric_class=metric_of(export, competition_id),
    )
    return made


def describe(export: str, data: str, competition_id: str) -> dict[str, Any]:
    """What our view of a competition is made of."""
    found = registry_of(export, data, competition_id).get(competition_id)
    public = Path(data) / competition_id / "data" / "public"
    metric = found.metric_class()
    return {
        "description": (public / "description.txt").read_text(),
        "metric": type(metric).__name__,
        "higher_is_better": bool(metric.higher_is_better),
    }


def grade(export: str, data: str, competition_id: str, path: str) -> dict[str, Any]:
    """What MLE-Dojo's environment makes of a submission file: raw score and places, or its error."""
    competition = registry_of(export, data, competition_id).get(competition_id)
    interface = import_module("mledojo.gym.interface").CodeExecutionInterface()
    found: dict[str, Any] = interface._process_submission(competition, Path(path), Path(path).parent, "position")
    return found


def prepare(export: str, data: str, competition_id: str, info: str) -> dict[str, Any]:
    """Prepare raw files by the competition's own `prepare`; add its description and its boards, as MLE-Dojo does."""
    if export:
        import_module(export)
    home = Path(data) / competition_id
    raw, made = home / "raw", home / "data"
    competitions = import_module("mledojo.competitions")
    if not (raw.is_dir() and any(raw.iterdir())):
        utils = import_module("mledojo.competitions.utils")
        raw.mkdir(parents=True, exist_ok=True)
        utils.download_competition_data(competition_id, raw)
        utils.extract(raw / f"{competition_id}.zip", raw)
    for part in ("public", "private"):
        (made / part).mkdir(parents=True, exist_ok=True)
    competitions.get_prepare(competition_id)(raw, made / "public", made / "private")
    shutil.copyfile(Path(info) / "description.txt", made / "public" / "description.txt")
    for board in ("private_leaderboard.csv", "public_leaderboard.csv"):
        if (Path(info) / board).is_file():
            shutil.copyfile(Path(info) / board, made / "private" / board)
    return {"checksums": "none recorded"}


def open_environment(export: str, data: str, competition_id: str, output: str) -> str:
    """Open MLE-Dojo's environment on a competition; its history and what its sandbox writes lie below `output`."""
    Path(output).mkdir(parents=True, exist_ok=True)
    Opened.output = Path(tempfile.mkdtemp(prefix=f"{competition_id}-", dir=output))
    Opened.environment = import_module("mledojo.gym.env").KaggleEnvironment.make(
        competition_name=competition_id,
        output_dir=str(Opened.output),
        competition_registry=registry_of(export, data, competition_id),
        score_mode="position",
    )
    return str(Opened.output)


def step(action: str, code: str, timeout_s: int) -> dict[str, Any]:
    """One step of the open environment, and the submission that it archived, if any."""
    before = set(Opened.output.glob("submission_*.csv"))
    Opened.environment.sandbox.execution_timeout = timeout_s
    observation, reward = Opened.environment.step(action, code=code)
    archived = sorted(set(Opened.output.glob("submission_*.csv")) - before)
    return {
        "status": observation["action_status"],
        "feedback": observation["feedback"]["base"].get("feedback") or observation["feedback"]["base"].get("error", ""),
        "reward": reward,
        "submission": str(archived[-1]) if archived else None,
    }


HANDLERS = {
    "check": check,
    "describe": describe,
    "grade": grade,
    "prepare": prepare,
    "open_environment": open_environment,
    "step": step,
}
