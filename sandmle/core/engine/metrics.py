"""Metric values from encoded truth and predictions. Imported by the grading process only (scikit-learn is heavy).

Encodings: a label is its code, its position in the ordered class list; a two-class probability is P(second class)
in one float column; a multi-class probability is a matrix (rows, classes) whose rows sum to 1; a value is a float.
Several values, or several labels with their probabilities, are matrices (rows, columns), of truth and prediction alike.
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
        TaskError: no rows; one class or value only (in any column) where a metric needs two; a negative value
            (rmsle, ndcg); a value that is not positive (mape).
    """
    if not len(truth):
        raise TaskError(f"{name}: there are no rows to score")
    if name in _NEEDS_TWO_VALUES:
        for column in truth.reshape(len(truth), -1).T:
            if len(np.unique(column)) < 2:
                raise TaskError(f"{name} is undefined: every true value is {column[0]}")
    if name in ("rmsle", "ndcg") and bool((truth < 0).any()):
        raise TaskError(f"{name} is undefined: a true value is negative")
    if name == "mape" and bool((truth <= 0).any()):
        raise TaskError("mape is undefined: a true value is not positive")


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


def _f1_weighted(truth: Array, prediction: Array, n_classes: int) -> float:
    return float(sk.f1_score(truth, prediction, average="weighted", zero_division=0))


def _mcc(truth: Array, prediction: Array, n_classes: int) -> float:
    return float(sk.matthews_corrcoef(truth, prediction))


def _brier(truth: Array, prediction: Array, n_classes: int) -> float:
    # Of two classes the usual score of the second one; of more, the squared errors summed over the classes.
    true = truth if prediction.ndim == 1 else np.eye(n_classes)[truth.astype(int)]
    return float(((true - prediction) ** 2).reshape(len(truth), -1).sum(axis=1).mean())


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


def _median_ae(truth: Array, prediction: Array, n_classes: int) -> float:
    return float(sk.median_absolute_error(truth, prediction))


def _mape(truth: Array, prediction: Array, n_classes: int) -> float:
    return float(sk.mean_absolute_percentage_error(truth, prediction))


def _smape(truth: Array, prediction: Array, n_classes: int) -> float:
    # Each row's error as a share of the mean size of truth and prediction: 0 when both are 0, 2 at most.
    size = (np.abs(truth) + np.abs(prediction)) / 2
    return float(np.mean(np.abs(truth - prediction) / np.where(size > 0, size, 1.0)))


def _pearson(truth: Array, prediction: Array, n_classes: int) -> float:
    if (prediction == prediction[0]).all():
        return 0.0
    return float(np.corrcoef(truth, prediction)[0, 1])


def _ndcg(truth: Array, prediction: Array, n_classes: int) -> float:
    # All rows are one list; the gain is the true grade itself, and rows predicted level share their places.
    return float(sk.ndcg_score(truth[None, :], prediction[None, :]))


def _kendall_tau(truth: Array, prediction: Array, n_classes: int) -> float:
    if (prediction == prediction[0]).all():
        return 0.0
    return float(stats.kendalltau(truth, prediction).statistic)


def _mean_roc_auc(truth: Array, prediction: Array, n_classes: int) -> float:
    return float(sk.roc_auc_score(truth, prediction, average="macro"))


def _mean_average_precision(truth: Array, prediction: Array, n_classes: int) -> float:
    return float(sk.average_precision_score(truth, prediction, average="macro"))


def _label_log_loss(truth: Array, prediction: Array, n_classes: int) -> float:
    epsilon = np.finfo(float).eps
    told = np.clip(np.where(truth > 0, prediction, 1 - prediction), epsilon, 1 - epsilon)
    return float(-np.log(told).mean())


def _f1_labels(truth: Array, prediction: Array, n_classes: int) -> float:
    labels = [sk.f1_score(a, b >= LABEL_CUT, zero_division=0) for a, b in zip(truth.T, prediction.T, strict=True)]
    return float(np.mean(labels))


def _hamming_loss(truth: Array, prediction: Array, n_classes: int) -> float:
    return float(sk.hamming_loss(truth.astype(int), prediction >= LABEL_CUT))


LABEL_CUT: Final = 0.5
"""A label counts as said from this probability on."""
_NEEDS_TWO_VALUES: Final = frozenset(
    {
        *("roc_auc", "average_precision", "qwk", "mcc", "r2", "spearman", "pearson", "ndcg", "kendall_tau"),
        *("mean_roc_auc", "mean_average_precision"),
    }
)

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
        "f1_weighted": _f1_weighted,
        "mcc": _mcc,
        "brier": _brier,
        "median_ae": _median_ae,
        "mape": _mape,
        "smape": _smape,
        "pearson": _pearson,
        "ndcg": _ndcg,
        "kendall_tau": _kendall_tau,
        "mean_roc_auc": _mean_roc_auc,
        "mean_average_precision": _mean_average_precision,
        "label_log_loss": _label_log_loss,
        "f1_labels": _f1_labels,
        "hamming_loss": _hamming_loss,
    }
)
"""Metric name to its function; the names are those of `types/metrics.py`."""
