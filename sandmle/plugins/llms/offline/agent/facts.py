"""What the agent makes of the description and of its first look at the files. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Prediction

MANY_FILES: Final = 40
"""A folder with at least so many files holds the rows' pictures."""
MANY_WORDS: Final = 3.0
"""A text column with at least so many words per row is prose and no category."""
MANY_LEVELS: Final = 40
"""A column of strings with more different ones is no category."""
PERIODS: Final[Mapping[str, float]] = MappingProxyType(
    {
        r"degree|°|bearing|azimuth|heading|angle": 360.0,
        r"hour of (?:the )?day|time of day|\bhour\b|\(hours? 0|hour": 24.0,
        r"month": 12.0,
        r"weekday|day of (?:the )?week": 7.0,
        r"day of (?:the )?year": 365.0,
        r"radian|phase": 6.283185,
        r"minute of": 60.0,
    }
)
"""What a column's line in the description says, to the period of its values."""
_METRIC_WORDS: Final = (
    ("hamming_loss", r"hamming|share of wrong entries"),
    ("label_log_loss", r"label[ _-]log[ _-]?loss|log-likelihood, mean over rows and labels"),
    ("mean_roc_auc", r"mean[ _-]roc|roc (?:curve|auc), mean over the labels|macro[- ]roc"),
    ("mean_average_precision", r"mean[ _]average[ _]precision|average precision, mean over"),
    ("f1_labels", r"f1[ _-]labels|f1 of probabilities"),
    ("f1_weighted", r"f1[ _-]weighted|weighted[- ]f1|\bf1\b.*weighted by"),
    ("mcc", r"\bmcc\b|matthews"),
    ("brier", r"brier|squared error of the class probabilities"),
    ("smape", r"\bsmape\b|symmetric mean absolute percentage|true plus predicted"),
    ("mape", r"\bmape\b|mean absolute percentage|share of the true value"),
    ("median_ae", r"median[ _](?:ae|absolute error)"),
    ("pearson", r"pearson"),
    ("ndcg", r"ndcg|discounted cumulative gain"),
    ("kendall_tau", r"kendall"),
    ("balanced_accuracy", r"balanced[ _-]accuracy|mean recall"),
    ("rmsle", r"rmsle|root mean squared? log|squared logarithmic error|error of log"),
    ("log_loss", r"log[ _-]?loss|logarithmic loss|cross[ -]entropy|negative log-likelihood"),
    ("average_precision", r"average[ _]precision|precision-recall"),
    ("roc_auc", r"roc|\bauc\b"),
    ("qwk", r"qwk|quadratic|kappa"),
    ("f1_macro", r"\bf1|f1[ _-]macro|macro[- ]f"),
    ("rmse", r"\brmse\b|root mean squared? error"),
    ("mae", r"\bmae\b|mean absolute error"),
    ("spearman", r"spearman|rank correlation"),
    ("r2", r"\br2\b|r²|r\^2|coefficient of determination"),
    ("accuracy", r"accuracy"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a plan rests on."""

    metric: str
    """A name of the metric catalogue; empty when neither the description nor the files tell."""
    id_column: str
    target: str
    sample_columns: tuple[str, ...]
    regression: bool
    probabilities: bool
    text_columns: tuple[str, ...] = ()
    picture_column: str = ""
    numeric_columns: tuple[str, ...] = ()
    several: tuple[str, ...] = ()
    """All targets, where there is more than one."""
    sound_column: str = ""
    series_column: str = ""
    edges: str = ""
    """The file that tells which rows are linked; empty where none are."""
    bare: bool = False
    """Whether no column can be used as it stands, so that dates and codes have to be taken apart."""
    periods: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


def find_metric(description: str) -> str:
    """The catalogue name of the metric that a description speaks of, lines about scoring first; else empty.

    >>> find_metric("Submissions are scored by the area under the ROC curve.")
    'roc_auc'
    """
    lines = description.splitlines()
    about = [
        " ".join(lines[at : at + 3]) for at, line in enumerate(lines) if re.search(r"metric|evaluat|scored", line, re.I)
    ]
    for text in (*about, description):
        for name in METRICS:
            if f"`{name}`" in text:
                return name
        for name, words in _METRIC_WORDS:
            if re.search(words, text, re.IGNORECASE):
                return name
    return ""


def read_facts(description: str, look: str) -> Facts | None:
    """What the look printed, joined with the description; None when the look did not come to its end."""
    sample = next(_entries(look, "SAMPLE"), None)
    columns = list(_entries(look, "COLUMN"))
    if sample is None or not columns:
        return None
    names = [str(name) for name in sample["columns"]]
    target = _target(columns, names)
    metric = find_metric(description)
    regression, probabilities = _kind(metric, target, names, [str(cell) for cell in sample["first"]])
    shared = [one for one in columns if one["in_test"] and one["name"] != names[0]]
    prose = [one for one in shared if one["kind"] == "text" and one.get("words", 0) >= MANY_WORDS]
    numeric = [str(one["name"]) for one in shared if one["kind"] == "number"]
    usable = [one for one in shared if one["kind"] == "number" or one in prose or one["unique"] <= MANY_LEVELS]
    targets = tuple(name for name in names[1:] if any(one["name"] == name and not one["in_test"] for one in columns))
    return Facts(
        several=targets if len(targets) > 1 else (),
        sound_column=_file_column(columns, r"\.wav$"),
        series_column=_file_column(columns, r"/[^/]+\.csv$"),
        edges=_edges(description),
        metric=metric or ("rmse" if regression else "accuracy"),
        id_column=names[0],
        target=str(target["name"]),
        sample_columns=tuple(names),
        regression=regression,
        probabilities=probabilities,
        text_columns=tuple(str(one["name"]) for one in prose),
        picture_column=_picture_column(columns, names[0], next(_entries(look, "FILES"), {})),
        numeric_columns=tuple(numeric),
        bare=not usable,
        periods=_periods(description, numeric),
    )


def asks_several(description: str) -> bool:
    """Whether several targets are asked for: labels of which any may apply, or values to be restored."""
    metric = find_metric(description)
    labels = metric in METRICS and METRICS[metric].prediction is Prediction.LABELS
    return labels or re.search(r"\bcolumns are targets\b", description) is not None


def _edges(description: str) -> str:
    found = re.search(r"`(\w*(?:edges|links)\w*\.csv)`", description)
    return found[1] if found else ""


def _file_column(columns: list[dict[str, Any]], ending: str) -> str:
    named = [one for one in columns if re.search(ending, str(one.get("example", "")), re.IGNORECASE)]
    return str(named[0]["name"]) if named else ""


def _entries(look: str, word: str) -> Iterator[dict[str, Any]]:
    for line in look.splitlines():
        if line.startswith(f"{word} "):
            try:
                found = json.loads(line[len(word) + 1 :])
            # A line cut in the middle by the observation's cap tells nothing.
            except json.JSONDecodeError:
                continue
            if isinstance(found, dict):
                yield found


def _target(columns: list[dict[str, Any]], sample: list[str]) -> dict[str, Any]:
    """The column that only the training table has, if possible one that the sample submission names."""
    absent = [one for one in columns if not one["in_test"]]
    named = [one for one in columns if one["name"] in sample[1:]]
    return next((one for one in absent if one in named), (absent or named or columns)[-1])


def _kind(metric: str, target: dict[str, Any], sample: list[str], first: list[str]) -> tuple[bool, bool]:
    if metric:
        prediction = METRICS[metric].prediction
        return prediction is Prediction.VALUE, prediction in (Prediction.PROBABILITY, Prediction.LABELS)
    fractions = any("." in cell for cell in first[1:])
    few = target["kind"] == "text" or target["unique"] <= 12
    return not few, few and (len(sample) > 2 or fractions)


def _picture_column(columns: list[dict[str, Any]], id_column: str, folders: dict[str, Any]) -> str:
    if not any(count >= MANY_FILES for folder, count in folders.items() if folder != "."):
        return ""
    for one in columns:
        if re.search(r"\.(?:png|jpe?g|bmp|gif)$", str(one.get("example", "")), re.IGNORECASE):
            return str(one["name"])
    return id_column


def _periods(description: str, numeric: list[str]) -> Mapping[str, float]:
    found = {}
    for name in numeric:
        lines = [line for line in description.splitlines() if re.search(rf"\b{re.escape(name)}\b", line)]
        about = " ".join([name.replace("_", " "), *lines])
        period = next((length for words, length in PERIODS.items() if re.search(words, about, re.IGNORECASE)), None)
        if period is not None:
            found[name] = period
    return MappingProxyType(found)
