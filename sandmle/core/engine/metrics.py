"""Metric values from encoded truth and predictions. Imported by the grading process only (scikit-learn is heavy).

Encodings: a label is its code, its position in the ordered class list; a two-class probability is P(second class)
in one float column; a multi-class probability is a matrix (rows, classes) whose rows sum to 1; a value is a float.
"""

import math
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn import metrics as sk

from sandmle.core.errors import TaskError, nearest

Array = npt.NDArray[Any]
MetricFunction = Callable[[Array, Array, int], float]
"""(truth, prediction, number of classes; 0 for values) to the metric's value."""


def score(name: str, truth: Array, prediction: Array, n_classes: int) -> float:
    """Value of a catalogue metric.

    Args:
        name: a name of `types/metrics.py`.
        truth: (rows,) class codes, or floats for a value metric.
        prediction: (rows,) codes, floats or P(second class); (rows, classes) for multi-class probabilities.
        n_classes: size of the class list; 0 for values.

    Returns:
        The value, which may be infinite when predictions overflow it.

    Raises:
        TaskError: there is no such metric, or the truth alone makes it undefined (see `check_truth`).
    """
    if name not in METRIC_FUNCTIONS:
        raise TaskError(f"no metric named {name!r}; {nearest(name, list(METRIC_FUNCTIONS))}")
    check_truth(name, truth)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # scikit-learn warns about classes that occur only in predictions: nothing a grader has to say.
        warnings.simplefilter("ignore")
        return METRIC_FUNCTIONS[name](truth, prediction, n_classes)


def check_truth(name: str, truth: Array) -> None:
    """Refuse a truth under which no submission could be scored or told apart.

    Raises:
        TaskError: no rows; one class only (ranking and kappa metrics); a constant (r2 and spearman); a value
            of -1 or less (rmsle).
    """
    if not len(truth):
        raise TaskError(f"{name}: there are no rows to score")
    if name in _NEEDS_TWO_VALUES and len(np.unique(truth)) < 2:
        raise TaskError(f"{name} is undefined: every true value is {truth[0]}")
    if name == "rmsle" and bool((truth < 0).any()):
        raise TaskError("rmsle is undefined: a true value is negative")


def _accuracy(truth: Array, prediction: Array, n_classes: int) -> float:
    return float(sk.accuracy_score(truth, prediction))


def _balanced_accuracy(truth: Array, prediction: Array, n_classes: int) -> float:
    # Mean recall over the classes that occur in the truth.
    return float(sk.balanced_accuracy_score(truth, prediction))


def _f1_macro(truth: Array, prediction: Array, n_classes: int) -> float:
    # Mean over the classes that occur in the truth or the prediction; a class never hit counts 0.
    return float(sk.f1_score(truth, prediction, average="macro", zero_division=0))


def _qwk(truth: Array, prediction: Array, n_classes: int) -> float:
    labels = list(range(n_classes))
    return float(sk.cohen_kappa_score(truth, prediction, labels=labels, weights="quadratic"))


def _roc_auc(truth: Array, prediction: Array, n_classes: int) -> float:
    return float(sk.roc_auc_score(truth, prediction))


def _average_precision(truth: Array, prediction: Array, n_classes: int) -> float:
    return float(sk.average_precision_score(truth, prediction))


def _log_loss(truth: Array, prediction: Array, n_classes: int) -> float:
    # Probabilities are clipped to [eps, 1 - eps], eps of float64, so that one certain error is not infinite.
    return float(sk.log_loss(truth, prediction, labels=list(range(n_classes))))


def _rmse(truth: Array, prediction: Array, n_classes: int) -> float:
    return math.sqrt(sk.mean_squared_error(truth, prediction))


def _mae(truth: Array, prediction: Array, n_classes: int) -> float:
    return float(sk.mean_absolute_error(truth, prediction))


def _rmsle(truth: Array, prediction: Array, n_classes: int) -> float:
    return math.sqrt(sk.mean_squared_log_error(truth, prediction))


def _r2(truth: Array, prediction: Array, n_classes: int) -> float:
    return float(sk.r2_score(truth, prediction))


def _spearman(truth: Array, prediction: Array, n_classes: int) -> float:
    # A constant prediction has no rank correlation; it orders nothing, so it earns that of no order.
    if (prediction == prediction[0]).all():
        return 0.0
    return float(stats.spearmanr(truth, prediction).statistic)


_NEEDS_TWO_VALUES: Final = frozenset({"roc_auc", "average_precision", "qwk", "r2", "spearman"})

METRIC_FUNCTIONS: Final[Mapping[str, MetricFunction]] = MappingProxyType(
    {
        "accuracy": _accuracy,
        "balanced_accuracy": _balanced_accuracy,
        "f1_macro": _f1_macro,
        "qwk": _qwk,
        "roc_auc": _roc_auc,
        "average_precision": _average_precision,
        "log_loss": _log_loss,
        "rmse": _rmse,
        "mae": _mae,
        "rmsle": _rmsle,
        "r2": _r2,
        "spearman": _spearman,
    }
)
"""Metric name to its function; the names are those of `types/metrics.py`."""
