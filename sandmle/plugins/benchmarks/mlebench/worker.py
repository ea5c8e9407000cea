"""MLE-bench's own code at work, in its own interpreter. Not imported: run there by `peers/process.py`.

Nothing newer than Python 3.9. Competitions are those of the registry that `registry` names: MLE-bench's own, or that of
an export.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

MESSAGE_CHARS = 500


def competition_of(registry: str, data: str, competition_id: str) -> Any:
    """A competition of the registry, with its data in this directory."""
    module, _, name = registry.partition(":")
    return getattr(import_module(module), name).set_data_dir(Path(data)).get_competition(competition_id)


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


def describe(registry: str, data: str, competition_id: str) -> dict[str, Any]:
    """What our view of a competition is made of. A submission that is not there has the path that a null comes to."""
    found = competition_of(registry, data, competition_id)
    return {
        "title": found.name,
        "description": found.description,
        "metric": found.grader.name,
        "answers": str(found.answers),
        "sample_submission": str(found.sample_submission),
        "leaderboard": str(found.leaderboard),
        "unanswered": import_module("mlebench.grade").grade_csv(Path("None"), found).to_dict(),
    }


def grade(registry: str, data: str, competition_id: str, path: str) -> dict[str, Any]:
    """MLE-bench's report on a file, and for an invalid one why it is."""
    found = competition_of(registry, data, competition_id)
    utils = import_module("mlebench.utils")
    try:
        submission = utils.read_csv(Path(path))
    # `grade_csv` lets this through, so that MLE-bench has no report for such a file.
    except Exception as problem:  # noqa: BLE001
        return {"unreadable": f"{type(problem).__name__}: {problem}"[:MESSAGE_CHARS]}
    report = import_module("mlebench.grade").grade_csv(Path(path), found).to_dict()
    said = None
    if not report["valid_submission"]:
        # In the words of `validate_submission`, but with answers of any format.
        try:
            found.grader.grade_fn(submission, utils.load_answers(found.answers))
            said = "the grader gave no score"
        # MLE-bench, too, takes whatever its grader raises for an invalid submission.
        except Exception as problem:  # noqa: BLE001
            said = str(problem)[:MESSAGE_CHARS] or type(problem).__name__
    return {"report": report, "problem": said}


def prepare(registry: str, data: str, competition_id: str, keep_raw: bool, verify: bool) -> dict[str, Any]:
    """Prepare a competition by its own `prepare_fn`; downloaded first where its raw files are not there."""
    found = competition_of(registry, data, competition_id)
    home = Path(data) / competition_id
    raw, public, private = home / "raw", home / "prepared" / "public", home / "prepared" / "private"
    if not (raw.is_dir() and any(raw.iterdir())):
        download = import_module("mlebench.data").download_and_prepare_dataset
        download(found, keep_raw=keep_raw, skip_verification=not verify)
        return {"downloaded": True, "checksums": "match" if verify else "not looked at"}
    for folder in (public, private):
        folder.mkdir(parents=True, exist_ok=True)
    found.prepare_fn(raw=raw, public=public, private=private)
    (public / "description.md").write_text(found.description)
    return {"downloaded": False, "checksums": compared(found, public, private) if verify else "not looked at"}


def compared(found: Any, public: Path, private: Path) -> str:
    """Whether the prepared files have the checksums that MLE-bench records; the archive is not there to look at."""
    if not found.checksums.is_file():
        return "none recorded"
    expected = import_module("mlebench.utils").load_yaml(found.checksums)
    checksums = import_module("mlebench.data").generate_checksums
    for part, folder in (("public", public), ("private", private)):
        if checksums(folder) != expected.get(part, {}):
            return f"differ ({part})"
    return "match"


HANDLERS = {"check": check, "describe": describe, "grade": grade, "prepare": prepare}
