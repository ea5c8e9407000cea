"""Seeds of other benchmarks' checkouts: the competitions of MLE-bench and MLE-Dojo. No code of a checkout runs.

What the checkout says of a competition (its kind, its metric, its board) is public; where its data is prepared, the
DNA is measured on the training table, and no row of it goes anywhere.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Final

from sandmle.core.engine.file_trees import read_regular
from sandmle.core.errors import PluginError, TaskError, nearest
from sandmle.core.types.metrics import METRICS, suits
from sandmle.core.types.synthesis import Seed
from sandmle.core.types.task import Modality, TaskType
from sandmle.plugins.seeds.outside.config import CheckoutConfig, FolderConfig
from sandmle.plugins.seeds.outside.own import OwnSeeds

MAX_BYTES: Final = 16 * 2**20
Dna = dict[str, float | int | str]

METRIC_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        r"quadratic.weighted|cohen_kappa": "qwk",
        r"matthews": "mcc",
        r"multi.?label|column.wise roc|mean.column.wise.roc": "mean_roc_auc",
        r"auc|auroc|roc": "roc_auc",
        r"kendall": "kendall_tau",
        r"ndcg": "ndcg",
        r"spearman": "spearman",
        r"pearson": "pearson",
        r"rmsle|squared.log": "rmsle",
        r"root.mean.squared|rmse|mean_squared_error": "rmse",
        r"smape": "smape",
        r"mean.absolute|\bmae\b": "mae",
        r"\br2\b|r2_score": "r2",
        r"log.?loss": "log_loss",
        r"balanced.accuracy": "balanced_accuracy",
        r"macro.f1|f1_score|f1": "f1_macro",
        r"average.precision": "average_precision",
        r"accuracy|classification.error": "accuracy",
    }
)
"""What graders are called, as patterns tried in order, to the metric of our catalogue that is nearest."""
MODALITY_WORDS: Final[Mapping[Modality, str]] = MappingProxyType(
    {
        "audio": r"audio|sound|speech|acoustic|\.wav|recording|bird ?song",
        "image": r"image|photo|picture|\.jpe?g|\.png|x-ray|\.dcm|\.tiff?|microscop|scan(?:s|ned)?\b",
        "series": r"forecast|time.?series|seismic|accelerometer|\beeg\b",
        "text": r"\btext|comment|essay|sentence|tweet|question|\bnlp\b|review|document|language",
        "graph": r"graph neural|molecul\w+ graph|citation network|edge list",
    }
)
"""Words that tell what a competition's files hold, in a description; tried in order, by how often they fall."""
_LEAST_MENTIONS: Final = 5
_GRADER: Final = re.compile(r"^grader:\s*\n\s+name:\s*(.+)$", re.MULTILINE)
_TITLE: Final = re.compile(r"^name:\s*(.+)$", re.MULTILINE)
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the files of a benchmark's competition lie, relative to its folder or to its data."""

    marker: str
    """The file that makes a folder one of a competition."""
    folder: str
    """Of all competitions, in the checkout."""
    description: str
    boards: tuple[str, ...]
    train: str
    """In the data directory, below the competition's name."""
    source: str
    evaluated_on: str = ""
    """A list of competitions in the checkout that no seed is taken from unless it is named."""


MLEBENCH: Final = Layout(
    marker="config.yaml",
    folder="mlebench/competitions",
    description="description.md",
    boards=("leaderboard.csv",),
    train="prepared/public/train.csv",
    source="MLE-bench",
    evaluated_on="experiments/splits/low.txt",
)
MLEDOJO: Final = Layout(
    marker="utils/metric.py",
    folder="mledojo/competitions",
    description="info/description.txt",
    boards=("info/private_leaderboard.csv", "info/public_leaderboard.csv"),
    train="data/public/train.csv",
    source="MLE-Dojo",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompetitionSeeds:
    """The sources `mlebench` and `mledojo`."""

    config: CheckoutConfig
    layout: Layout

    def seeds(self) -> Sequence[Seed]:
        """A seed for each competition, by name.

        Raises:
            PluginError: the checkout is none, or a competition is not in it.
        """
        home = self.config.checkout / self.layout.folder
        depth = self.layout.marker.count("/") + 1
        found = {path.parents[depth - 1].name: path.parents[depth - 1] for path in home.glob(f"*/{self.layout.marker}")}
        if not found:
            raise PluginError(
                f"{self.config.checkout} is no checkout of {self.layout.source}: it holds no "
                f"{self.layout.folder}/*/{self.layout.marker}; name one in plugin.seeds"
            )
        wanted = self.config.competitions or tuple(sorted(found.keys() - self._evaluated_on()))
        for name in wanted:
            if name not in found:
                raise PluginError(
                    f"{self.layout.source} has no competition {name!r} here; {nearest(name, list(found))}"
                )
        try:
            return [self._seed(found[name]) for name in wanted if _PLAIN_ID.fullmatch(name)]
        except TaskError as problem:
            raise PluginError(f"{problem}; leave the competition out, or mend the checkout") from problem

    def _evaluated_on(self) -> set[str]:
        """Competitions that policies are measured on, and so must not be amplified without being named."""
        return (
            set(_text(self.config.checkout / self.layout.evaluated_on).split()) if self.layout.evaluated_on else set()
        )

    def _seed(self, folder: Path) -> Seed:
        layout, name = self.layout, folder.name
        said = _text(folder / layout.marker)
        description = _text(folder / layout.description)
        title = _TITLE.search(said) if layout.marker.endswith(".yaml") else None
        grader = _GRADER.search(said)
        metric = _metric(grader[1] if grader else said)
        modality = _modality(description)
        task_type = _task_type(metric, modality)
        seed = Seed(
            seed_id=name.lower(),
            title=(title[1].strip().strip("'\"") if title else name.replace("-", " ").capitalize()),
            modality=modality,
            task_type=task_type,
            metric=metric if suits(metric, task_type) else _usual(task_type),
            dna=_board_dna([folder / board for board in layout.boards], len(description.split())),
            source=f"{layout.source}: {name}",
        )
        return self._measured(seed, name)

    def _measured(self, seed: Seed, name: str) -> Seed:
        """With the DNA of its table, where that is prepared and can be measured as one."""
        train = self.config.data / name / self.layout.train if self.config.data else None
        if train is None or seed.modality != "tabular" or not train.is_file():
            return seed
        try:
            [own] = OwnSeeds(config=FolderConfig(path=train), suffix=".csv").seeds()
        except PluginError:
            # Some competitions call a train.csv what is no table to learn from; the public facts are still true.
            return seed
        metric = seed.metric if suits(seed.metric, own.task_type) else own.metric
        return replace(seed, task_type=own.task_type, metric=metric, dna={**own.dna, **seed.dna})


def _text(path: Path) -> str:
    try:
        return read_regular(path, MAX_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _metric(grader: str) -> str:
    words = grader.lower().replace("-", " ")
    return next((name for pattern, name in METRIC_WORDS.items() if re.search(pattern, words)), "accuracy")


def _modality(description: str) -> Modality:
    counts: dict[Modality, int] = {
        name: len(re.findall(pattern, description, re.IGNORECASE)) for name, pattern in MODALITY_WORDS.items()
    }
    most = max(counts, key=lambda name: counts[name])
    return most if counts[most] >= _LEAST_MENTIONS else "tabular"


def _task_type(metric: str, modality: Modality) -> TaskType:
    if modality == "series":
        return "forecasting"
    kinds: Mapping[str, TaskType] = {"mean_roc_auc": "multilabel", "ndcg": "ranking", "kendall_tau": "ranking"}
    if metric in kinds:
        return kinds[metric]
    return "regression" if suits(metric, "regression") else "classification"


def _usual(task_type: TaskType) -> str:
    return next(name for name in METRICS if suits(name, task_type))


def _board_dna(boards: Sequence[Path], words: int) -> Dna:
    """Facts of the public board: teams, and how far the best stands from the middle, in spreads of the middle half."""
    scores: list[float] = []
    for path in boards:
        scores = scores or _scores(_text(path))
    dna: Dna = {"description_words": words}
    if scores:
        dna["teams"] = len(scores)
    if len(scores) >= 8:
        ordered = sorted(scores)
        spread = ordered[len(ordered) * 3 // 4] - ordered[len(ordered) // 4]
        far = max(abs(ordered[-1] - median(ordered)), abs(ordered[0] - median(ordered)))
        dna["best_in_spreads"] = round(min(999.0, far / spread), 1) if spread > 0 else 0.0
    return dna


def _scores(text: str) -> list[float]:
    header, *lines = text.splitlines() or [""]
    names = [name.strip().lower() for name in header.split(",")]
    if "score" not in names:
        return []
    # The score stands last or near it; names of teams before it may hold commas.
    at = names.index("score") - len(names)
    cells = (line.split(",") for line in lines)
    return [value for row in cells if len(row) >= -at and (value := _number(row[at])) is not None]


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if value - value == 0 else None
