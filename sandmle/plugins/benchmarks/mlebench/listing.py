"""What an MLE-bench checkout offers: its competitions, its splits, and what its authors say is wrong with some.

Files are read; no code of the checkout runs.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from sandmle.core.errors import TaskError
from sandmle.core.types.task import Modality

DEFAULT_SPLIT: Final = "lite"
_LITE: Final = "low"
"""The file of the split that MLE-bench calls Lite."""

LEAKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "dog-breed-identification": "its images are those of the public Stanford Dogs data set, labels included",
        "hubmap-kidney-segmentation": "public `{image_id}.json` files give the test labels away",
        "multi-modal-gesture-recognition": "public test `.mat` files hold the labels",
        "random-acts-of-pizza": "`giver_username_if_known` gives the outcome away",
        "smartphone-decimeter-2022": "public `span_log.nmea` files give the test positions away",
    }
)
"""Competition to how its labels leak. Source: "Known Issues" of MLE-bench's README, and its issue tracker."""
DEFECTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "champs-scalar-coupling": "test molecules are missing in structures.csv",
        "icecube-neutrinos-in-deep-ice": "its recorded checksums do not match: prepare with --no-verify",
        "jigsaw-toxic-comment-classification-challenge": "crowded board: top and median barely differ",
        "ranzcr-clip-catheter-line-classification": "its sample submission lacks columns",
        "tabular-playground-series-dec-2021": "crowded board: top and median barely differ",
        "tabular-playground-series-may-2022": "crowded board: top and median barely differ",
        "tensorflow-speech-recognition-challenge": "its test set has labels and speakers it should not have",
    }
)
"""Competition to what else is wrong with it. Same source."""


def labels_of(competition_id: str) -> list[str]:
    """What a reader of a score on this competition has to know; `leak: ...` and `defect: ...`."""
    leak, defect = LEAKS.get(competition_id), DEFECTS.get(competition_id)
    return [*([f"leak: {leak}"] if leak else []), *([f"defect: {defect}"] if defect else [])]


def competitions_in(folder: Path) -> tuple[str, ...]:
    """The ids of the competitions in a folder, sorted.

    Raises:
        TaskError: there is none.
    """
    found = tuple(sorted(path.parent.name for path in folder.glob("*/config.yaml")))
    if not found:
        raise TaskError(f"{folder} holds no competition (a folder with a config.yaml)")
    return found


def splits_of(checkout: Path, known: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Split name to ids: one for each file of `experiments/splits`, `lite`, and `all`."""
    folder = checkout / "experiments" / "splits"
    splits = {path.stem: _lines(path) for path in sorted(folder.glob("*.txt"))}
    if _LITE in splits:
        splits["lite"] = splits[_LITE]
    return {**splits, "all": known}


def modality_of(checkout: Path, competition_id: str) -> Modality:
    """What its files hold, as `experiments/competition_categories.csv` says; tabular where it says nothing."""
    try:
        lines = (checkout / "experiments" / "competition_categories.csv").read_text("utf-8", "replace").splitlines()
    except OSError:
        return "tabular"
    said = next((line.lower() for line in lines if line.split(",")[0] == competition_id), "")
    if "image" in said:
        return "image"
    if "audio" in said:
        return "audio"
    return "text" if "text" in said else "tabular"


def _lines(path: Path) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(line.strip() for line in path.read_text("utf-8", "replace").splitlines() if line.strip())
    )
