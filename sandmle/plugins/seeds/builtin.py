"""The built-in seeds: views of real data that our dependencies carry, each measured when it is asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sandmle.core.errors import PluginError
from sandmle.core.types.synthesis import Seed
from sandmle.core.types.task import Modality, TaskType
from sandmle.plugins.seeds import measure
from sandmle.plugins.seeds.shelf import Shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One seed before it is measured: which data, what of it, to be predicted how."""

    seed_id: str
    title: str
    modality: Modality
    task_type: TaskType
    metric: str
    source: str
    load: Callable[[Shelf], tuple[Any, Any]]
    """From the shelf of loaded data to features (or texts, or images) and targets."""


_TABLE: Final[Modality] = "tabular"
_TEXT: Final[Modality] = "text"
_IMAGE: Final[Modality] = "image"
_CLASS: Final[TaskType] = "classification"
_VALUE: Final[TaskType] = "regression"


def _view(
    seed_id: str, title: str, kind: tuple[Modality, TaskType, str], source: str, load: Callable[..., Any]
) -> View:
    modality, task_type, metric = kind
    return View(
        seed_id=seed_id,
        title=title,
        modality=modality,
        task_type=task_type,
        metric=metric,
        source=source,
        load=load,
    )


VIEWS: Final[tuple[View, ...]] = (
    _view(
        "iris-species",
        "Species of iris flowers",
        (_TABLE, _CLASS, "accuracy"),
        "scikit-learn: load_iris",
        lambda shelf: shelf.table("iris"),
    ),
    _view(
        "iris-petal-width",
        "Petal width of iris flowers from the other sizes",
        (_TABLE, _VALUE, "rmse"),
        "scikit-learn: load_iris, petal width as target",
        lambda shelf: shelf.column_as_target("iris", 3),
    ),
    _view(
        "wine-cultivar",
        "Cultivar of wines",
        (_TABLE, _CLASS, "f1_macro"),
        "scikit-learn: load_wine",
        lambda shelf: shelf.table("wine"),
    ),
    _view(
        "wine-proline",
        "Proline of wines from the other analyses",
        (_TABLE, _VALUE, "rmsle"),
        "scikit-learn: load_wine, proline as target",
        lambda shelf: shelf.column_as_target("wine", 12),
    ),
    _view(
        "tumour-diagnosis",
        "Diagnosis of breast tumours",
        (_TABLE, _CLASS, "roc_auc"),
        "scikit-learn: load_breast_cancer",
        lambda shelf: shelf.table("breast_cancer"),
    ),
    _view(
        "tumour-diagnosis-texture",
        "Diagnosis of breast tumours from texture and shape alone",
        (_TABLE, _CLASS, "average_precision"),
        "scikit-learn: load_breast_cancer, six mean columns",
        lambda shelf: shelf.some_columns("breast_cancer", (1, 4, 5, 7, 8, 9)),
    ),
    _view(
        "diabetes-progression",
        "Progression of diabetes after a year",
        (_TABLE, _VALUE, "r2"),
        "scikit-learn: load_diabetes",
        lambda shelf: shelf.table("diabetes"),
    ),
    _view(
        "diabetes-fast-progression",
        "Patients whose diabetes progresses fast",
        (_TABLE, _CLASS, "log_loss"),
        "scikit-learn: load_diabetes, upper third of the target",
        lambda shelf: shelf.cut_target("diabetes", (2 / 3,)),
    ),
    _view(
        "diabetes-quarters",
        "Quarter of diabetes progression",
        (_TABLE, _CLASS, "qwk"),
        "scikit-learn: load_diabetes, quarters of the target",
        lambda shelf: shelf.cut_target("diabetes", (0.25, 0.5, 0.75)),
    ),
    _view(
        "exercise-waist",
        "Waist of men from their exercise",
        (_TABLE, _VALUE, "mae"),
        "scikit-learn: load_linnerud",
        lambda shelf: shelf.linnerud_waist(),
    ),
    _view(
        "digit-table",
        "Handwritten digits as a table of grey levels",
        (_TABLE, _CLASS, "balanced_accuracy"),
        "scikit-learn: load_digits as a table",
        lambda shelf: shelf.table("digits"),
    ),
    _view(
        "digit-images",
        "Handwritten digits",
        (_IMAGE, _CLASS, "accuracy"),
        "scikit-learn: load_digits as images",
        lambda shelf: shelf.digit_images(),
    ),
    _view(
        "digit-parity",
        "Odd and even handwritten digits",
        (_IMAGE, _CLASS, "log_loss"),
        "scikit-learn: load_digits as images, parity as target",
        lambda shelf: shelf.digit_parity(),
    ),
    _view(
        "photo-patches",
        "Which photograph a patch comes from",
        (_IMAGE, _CLASS, "f1_macro"),
        "scikit-learn: load_sample_images, grey patches",
        lambda shelf: shelf.patches("photo"),
    ),
    _view(
        "photo-upright",
        "Whether a patch of a photograph is upright",
        (_IMAGE, _CLASS, "roc_auc"),
        "scikit-learn: load_sample_images, half of the grey patches turned",
        lambda shelf: shelf.patches("turned"),
    ),
    _view(
        "photo-neighbour",
        "Brightness of the neighbouring patch of a photograph",
        (_IMAGE, _VALUE, "rmse"),
        "scikit-learn: load_sample_images, grey patches and the ones to their right",
        lambda shelf: shelf.patches("neighbour"),
    ),
    _view(
        "library-topic",
        "Topic of sentences of the library reference",
        (_TEXT, _CLASS, "accuracy"),
        "Python standard library: docstrings of four groups of modules",
        lambda shelf: shelf.sentences("group"),
    ),
    _view(
        "library-kind",
        "Whether a sentence documents a class or a function",
        (_TEXT, _CLASS, "balanced_accuracy"),
        "Python standard library: docstrings of classes and functions",
        lambda shelf: shelf.sentences("kind"),
    ),
    _view(
        "library-arguments",
        "Number of arguments of a function from its documentation",
        (_TEXT, _VALUE, "spearman"),
        "Python standard library: docstrings and signatures of functions",
        lambda shelf: shelf.sentences("arguments"),
    ),
)
"""Every built-in seed, in the order in which a corpus goes through them."""

_MEASURES: Final[Mapping[Modality, Callable[[Any, Any, TaskType], dict[str, float | int | str]]]] = {
    "tabular": measure.table_dna,
    "image": measure.image_dna,
    "text": measure.text_dna,
}


class BuiltinSeeds:
    """The source `builtin`: measures on every call and keeps nothing."""

    def __init__(self, views: Sequence[View] = VIEWS) -> None:
        self._views = tuple(views)

    def seeds(self) -> Sequence[Seed]:
        """Measure every seed.

        Raises:
            PluginError: a library no longer carries the data.
        """
        shelf = Shelf()
        return [_measured(view, shelf) for view in self._views]


def _measured(view: View, shelf: Shelf) -> Seed:
    try:
        data, target = view.load(shelf)
    except (ImportError, OSError, KeyError, IndexError) as problem:
        raise PluginError(
            f"seed {view.seed_id!r} cannot be measured: {view.source} is not there ({problem}); "
            "reinstall scikit-learn and pillow, or name another source in synthesis.seeds"
        ) from problem
    return Seed(
        seed_id=view.seed_id,
        title=view.title,
        modality=view.modality,
        task_type=view.task_type,
        metric=view.metric,
        dna=_MEASURES[view.modality](data, target, view.task_type),
        source=view.source,
    )
