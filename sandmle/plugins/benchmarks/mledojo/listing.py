"""What an MLE-Dojo checkout offers: its competitions, its sets, and our own set of 62. No code of the checkout runs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sandmle.core.errors import TaskError
from sandmle.core.types.task import Modality

DEFAULT_SPLIT: Final = "evaluation"
OURS: Final = "sandmle-62"
OURS_SIZE: Final = 62
"""As many tasks as the paper takes from MLE-Dojo. Which those are is not public."""
LEAKY: Final = frozenset(
    {
        "hubmap-kidney-segmentation",
        "multi-modal-gesture-recognition",
        "random-acts-of-pizza",
        "smartphone-decimeter-2022",
    }
)
"""Competitions whose public files give labels away as MLE-bench prepares them, from its list of known issues; whether
MLE-Dojo's own preparing leaves the same files in is not known, so they are labelled and never chosen."""
GETTING_STARTED: Final = frozenset(
    {
        "digit-recognizer",
        "home-data-for-ml-course",
        "house-prices-advanced-regression-techniques",
        "nlp-getting-started",
        "spaceship-titanic",
        "store-sales-time-series-forecasting",
        "titanic",
    }
)
"""Kaggle's competitions for beginners: their boards never close, and some of their answers are public. Never chosen."""
RULE: Final = (
    "chosen by SandMLE, not by the paper, whose list is not public: every competition of MLE-Dojo's four evaluation "
    f"sets, then, until there are {OURS_SIZE}, those of its training set in the order of the number of teams on the "
    "private board, most first, equals by name; in the training set, competitions with known leaks and Kaggle's "
    "competitions for beginners, whose boards never close, are passed over"
)
_EVALUATION: Final = "Evaluation"
_TRAINING: Final = "Training"


def competitions_in(folder: Path) -> tuple[str, ...]:
    """The ids of the competitions in a folder, sorted.

    Raises:
        TaskError: there is none.
    """
    found = tuple(sorted(path.parent.parent.name for path in folder.glob("*/utils/metric.py")))
    if not found:
        raise TaskError(f"{folder} holds no competition (a folder with utils/metric.py)")
    return found


def splits_of(competitions: Path, known: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Split name to ids: the sets of `competition.json`, each group of them as one, `all`, and ours.

    Raises:
        TaskError: `competition.json` cannot be read.
    """
    splits: dict[str, tuple[str, ...]] = {}
    for name, found in _sets(competitions).items():
        if isinstance(found, Mapping):
            members = {str(part): tuple(map(str, ids)) for part, ids in found.items()}
            splits.update({_word(part): ids for part, ids in members.items() if ids})
            whole = tuple(dict.fromkeys(one for ids in members.values() for one in ids))
        else:
            whole = tuple(map(str, found))
        if whole:
            splits[_word(name)] = whole
    ours = our_62(competitions, known)
    return {**splits, **({OURS: ours} if ours else {}), "all": tuple(known)}


def our_62(competitions: Path, known: Sequence[str]) -> tuple[str, ...]:
    """The set that `RULE` gives for this checkout; empty where its sets are too small for it.

    Raises:
        TaskError: `competition.json` cannot be read.
    """
    sets = _sets(competitions)
    evaluation = sets.get(_EVALUATION, {})
    first = list(dict.fromkeys(str(one) for ids in evaluation.values() for one in ids)) if evaluation else []
    rest = [str(one) for one in sets.get(_TRAINING, []) if one not in {*first, *LEAKY, *GETTING_STARTED}]
    teams = {one: _teams(competitions / one / "info" / "private_leaderboard.csv") for one in rest}
    ranked = sorted(rest, key=lambda one: (-teams[one], one))
    chosen = [one for one in (*first, *ranked) if one in known][:OURS_SIZE]
    return tuple(chosen) if len(chosen) == OURS_SIZE else ()


def category_of(competitions: Path, competition_id: str) -> str:
    """The evaluation set that a competition is in, else the group of sets."""
    for name, found in _sets(competitions).items():
        if isinstance(found, Mapping):
            part = next((str(part) for part, ids in found.items() if competition_id in ids), None)
            if part is not None:
                return part
        elif competition_id in found:
            return str(name)
    return "other"


def modality_of(category: str) -> Modality:
    """What the files of a set hold, as far as its name says."""
    words: dict[str, Modality] = {"nlp": "text", "cv": "image"}
    return words.get(category.lower(), "tabular")


def labels_of(competition_id: str) -> list[str]:
    """What a reader of a score on this competition has to know."""
    return ["leak: MLE-bench lists its public files as giving labels away"] if competition_id in LEAKY else []


def _sets(competitions: Path) -> dict[str, Any]:
    file = competitions / "competition.json"
    try:
        found = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as problem:
        raise TaskError(f"cannot read MLE-Dojo's sets, {file}: {problem}") from problem
    if not isinstance(found, dict):
        raise TaskError(f"{file} does not hold sets by name")
    return found


def _teams(board: Path) -> int:
    # Counted and not parsed: there are some hundred boards, and listing splits must not take seconds.
    try:
        lines = board.read_bytes().splitlines()
    except OSError:
        return 0
    return max(0, sum(1 for line in lines if line.strip()) - 1)


def _word(name: str) -> str:
    return "-".join(name.lower().split())
