"""Seeds of the kinds of task that the built-in ones do not have, for mixes of all kinds.

Each is a view of the same real data: patches of photographs with a square to be restored, scan lines of photographs
as signals, flowers and wines linked to those most alike, digits beside what can be counted on them. No library that
we depend on carries recordings of sound; scan lines stand for them, and the source says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sandmle.core.errors import PluginError
from sandmle.core.types.synthesis import Seed
from sandmle.core.types.task import Modality, TaskType
from sandmle.plugins.seeds import measure
from sandmle.plugins.seeds.measure import Dna
from sandmle.plugins.seeds.shelf import Shelf

Matrix = npt.NDArray[np.float64]
SIGNAL: Final = 64
"""Samples of a scan line."""
NEIGHBOURS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    seed_id: str
    title: str
    kind: tuple[Modality, TaskType, str]
    source: str
    dna: Callable[[Shelf], Dna]


def _several(dna: Dna, count: int) -> Dna:
    return {key: value for key, value in dna.items() if not key.startswith(("classes", "m", "balance"))} | {
        "labels": count
    }


def _lines(shelf: Shelf) -> tuple[Matrix, npt.NDArray[Any]]:
    """Scan lines of the photographs, (rows, SIGNAL), and which photograph each is of."""
    patches, photo = shelf.patches("photo")
    # Patches that follow one another lie side by side.
    lines = patches[:, 0, :].reshape(-1, SIGNAL)
    return lines, photo[:: SIGNAL // patches.shape[2]]


def signal_dna(signals: Matrix, target: npt.NDArray[Any], task_type: TaskType) -> Dna:
    """Measure signals of shape (rows, samples): their length, how rough they are, what of them is slow.

    The dependence figures are those of a table of the samples.
    """
    flat = signals - signals.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(flat, axis=1)) ** 2
    slow = power[:, : max(2, power.shape[1] // 4)].sum() / max(float(power.sum()), 1e-9)
    steps = np.abs(np.diff(signals, axis=1)).mean() / max(float(signals.std()), 1e-9)
    figures = measure.table_dna(signals, target, task_type)
    kept = {key: value for key, value in figures.items() if key not in _OF_COLUMNS}
    return {
        "samples": signals.shape[1],
        "roughness": round(float(steps), 2),
        "slow_share": round(float(slow), 2),
        **kept,
    }


_OF_COLUMNS: Final = ("columns", "numeric_columns", "categorical_columns", "median_cardinality", "column_skewness")


def graph_dna(table: Matrix, target: npt.NDArray[Any], task_type: TaskType) -> Dna:
    """Measure a table whose rows are linked to the `NEIGHBOURS` most like them: links, and what those share."""
    scaled = (table - table.mean(axis=0)) / table.std(axis=0)
    apart = ((scaled[:, None, :] - scaled[None, :, :]) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.argsort(axis=1, kind="stable")[:, :NEIGHBOURS]
    links = {tuple(sorted((row, int(other)))) for row, some in enumerate(nearest) for other in some}
    pairs = np.array(sorted(links))
    alike = float(np.mean(target[pairs[:, 0]] == target[pairs[:, 1]]))
    return {
        **measure.table_dna(table, target, task_type),
        "links": len(links),
        "mean_degree": round(2 * len(links) / len(table), 1),
        "alike_share": round(alike, 2),
    }


def _patch_squares(shelf: Shelf) -> Dna:
    patches, _ = shelf.patches("photo")
    dna = measure.image_dna(patches, patches[:, 7, 7], "regression")
    return dna | {"hidden_values": 9}


def _digits_with_counts(shelf: Shelf, task_type: TaskType) -> Dna:
    images, digit = shelf.digit_images()
    target = digit if task_type == "classification" else images.mean(axis=(1, 2))
    return measure.image_dna(images, target, task_type) | {"numeric_columns": 6, "classes": 3}


def _sentences_with_counts(shelf: Shelf) -> Dna:
    texts, kinds = shelf.sentences("kind")
    return measure.text_dna(texts, kinds, "classification") | {"numeric_columns": 5}


_PHOTO: Final = "scikit-learn: load_sample_images"
_LINES: Final = f"{_PHOTO}, scan lines of photographs as signals"
_HEARD: Final = f"{_LINES} (no library we depend on carries recordings)"
_LIBRARY: Final = "Python standard library: docstrings"


def _view(
    seed_id: str, title: str, kind: tuple[Modality, TaskType, str], source: str, dna: Callable[[Shelf], Dna]
) -> _View:
    return _View(seed_id=seed_id, title=title, kind=kind, source=source, dna=dna)


def _signal(task_type: TaskType) -> Callable[[Shelf], Dna]:
    def dna(shelf: Shelf) -> Dna:
        signals, source = _lines(shelf)
        if task_type == "classification":
            return signal_dna(signals, source, task_type)
        # Values to be predicted are the sample after the ones shown.
        return signal_dna(signals[:, :-1], signals[:, -1], "regression")

    return dna


def _data(shelf: Shelf, name: str, at: int | None) -> tuple[Matrix, npt.NDArray[Any], TaskType]:
    """A table with its own classes, or with one of its columns to be predicted."""
    if at is None:
        return *shelf.table(name), "classification"
    return *shelf.column_as_target(name, at), "regression"


def _table(name: str, at: int | None) -> Callable[[Shelf], Dna]:
    return lambda shelf: measure.table_dna(*_data(shelf, name, at))


def _graph(name: str, at: int | None) -> Callable[[Shelf], Dna]:
    return lambda shelf: graph_dna(*_data(shelf, name, at))


VIEWS: Final[tuple[_View, ...]] = (
    _view(
        "tumour-signs",
        "Signs that breast tumours show",
        ("tabular", "multilabel", "mean_roc_auc"),
        "scikit-learn: load_breast_cancer",
        lambda shelf: _several(_table("breast_cancer", None)(shelf), 3),
    ),
    _view(
        "diabetes-order",
        "Patients in the order of their progression of diabetes",
        ("tabular", "ranking", "ndcg"),
        "scikit-learn: load_diabetes",
        lambda shelf: measure.table_dna(*shelf.table("diabetes"), "regression"),
    ),
    _view(
        "wine-order",
        "Wines in the order of their proline",
        ("tabular", "ranking", "kendall_tau"),
        "scikit-learn: load_wine",
        _table("wine", 12),
    ),
    _view(
        "line-forecast",
        "The next grey value of a scan line",
        ("tabular", "forecasting", "rmse"),
        _LINES,
        _signal("regression"),
    ),
    _view(
        "library-subjects",
        "Subjects that a sentence of the library reference touches",
        ("text", "multilabel", "f1_labels"),
        f"{_LIBRARY} of four groups of modules",
        lambda shelf: _several(measure.text_dna(*shelf.sentences("group"), "classification"), 4),
    ),
    _view(
        "library-order",
        "Functions in the order of the arguments they take",
        ("text", "ranking", "spearman"),
        f"{_LIBRARY} and signatures of functions",
        lambda shelf: measure.text_dna(*shelf.sentences("arguments"), "regression"),
    ),
    _view(
        "patch-traits",
        "Traits of patches of photographs",
        ("image", "multilabel", "mean_average_precision"),
        f"{_PHOTO}, grey patches",
        lambda shelf: _several(measure.image_dna(*shelf.patches("photo"), "classification"), 3),
    ),
    _view(
        "patch-order",
        "Patches in the order of their neighbours' brightness",
        ("image", "ranking", "ndcg"),
        f"{_PHOTO}, grey patches and the ones to their right",
        lambda shelf: measure.image_dna(*shelf.patches("neighbour"), "regression"),
    ),
    _view(
        "patch-squares",
        "Hidden squares of patches of photographs",
        ("image", "reconstruction", "rmse"),
        f"{_PHOTO}, grey patches with a square covered",
        _patch_squares,
    ),
    _view(
        "digits-and-counts",
        "Digits beside what was counted on them",
        ("multimodal", "classification", "accuracy"),
        "scikit-learn: load_digits as images and as counts",
        lambda shelf: _digits_with_counts(shelf, "classification"),
    ),
    _view(
        "digit-ink",
        "Ink of digits beside what was counted on them",
        ("multimodal", "regression", "rmse"),
        "scikit-learn: load_digits as images and as counts",
        lambda shelf: _digits_with_counts(shelf, "regression"),
    ),
    _view(
        "sentences-and-counts",
        "Sentences of the library reference beside what was counted on them",
        ("multimodal", "classification", "balanced_accuracy"),
        f"{_LIBRARY} and counts of them",
        _sentences_with_counts,
    ),
    _view(
        "digit-order",
        "Digits beside counts in the order of their ink",
        ("multimodal", "ranking", "ndcg"),
        "scikit-learn: load_digits as images and as counts",
        lambda shelf: _digits_with_counts(shelf, "regression"),
    ),
    _view(
        "linked-flowers",
        "Species of flowers that are linked to those most alike",
        ("graph", "classification", "f1_macro"),
        "scikit-learn: load_iris, each linked to its three nearest",
        _graph("iris", None),
    ),
    _view(
        "linked-wines",
        "Proline of wines that are linked to those most alike",
        ("graph", "regression", "rmse"),
        "scikit-learn: load_wine, each linked to its three nearest",
        _graph("wine", 12),
    ),
    _view(
        "linked-wine-order",
        "Linked wines in the order of their proline",
        ("graph", "ranking", "ndcg"),
        "scikit-learn: load_wine, each linked to its three nearest",
        _graph("wine", 12),
    ),
    _view(
        "line-sound",
        "Which photograph a line sounds of",
        ("audio", "classification", "accuracy"),
        _HEARD,
        _signal("classification"),
    ),
    _view(
        "line-pitch", "What follows a line as a sound", ("audio", "regression", "mae"), _HEARD, _signal("regression")
    ),
    _view(
        "line-tones",
        "Tones that a line holds",
        ("audio", "multilabel", "label_log_loss"),
        _HEARD,
        lambda shelf: _several(_signal("classification")(shelf), 3),
    ),
    _view(
        "line-repair",
        "Lost samples of a line as a sound",
        ("audio", "reconstruction", "rmse"),
        _HEARD,
        _signal("regression"),
    ),
    _view(
        "line-source",
        "Which photograph a line is of",
        ("series", "classification", "log_loss"),
        _LINES,
        _signal("classification"),
    ),
    _view("line-value", "A value of a line", ("series", "regression", "r2"), _LINES, _signal("regression")),
    _view("line-next", "What follows a line", ("series", "forecasting", "mae"), _LINES, _signal("regression")),
    _view("line-gap", "Lost readings of a line", ("series", "reconstruction", "mae"), _LINES, _signal("regression")),
)
"""Every seed of this source, in the order in which a corpus goes through them."""


class KindSeeds:
    """The source `kinds`: measures on every call and keeps nothing."""

    def seeds(self) -> Sequence[Seed]:
        """Measure every seed.

        Raises:
            PluginError: a library no longer carries the data.
        """
        shelf = Shelf()
        return [_measured(view, shelf) for view in VIEWS]


def _measured(view: _View, shelf: Shelf) -> Seed:
    try:
        dna = view.dna(shelf)
    except (ImportError, OSError, KeyError, IndexError) as problem:
        raise PluginError(
            f"seed {view.seed_id!r} cannot be measured: {view.source} is not there ({problem}); "
            "reinstall scikit-learn and pillow, or name another source in synthesis.seeds"
        ) from problem
    modality, task_type, metric = view.kind
    return Seed(
        seed_id=view.seed_id,
        title=view.title,
        modality=modality,
        task_type=task_type,
        metric=metric,
        dna=dna,
        source=view.source,
    )
