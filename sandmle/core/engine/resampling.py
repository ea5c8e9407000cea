"""Metrics over many bootstrap resamples at once. Imported by the grading process only.

A resample is a row of counts: how often each data row was drawn. Every metric of the catalogue is written here
as a function of counts, so that hundreds of resamples cost a few matrix products instead of hundreds of calls.
`metrics.py` remains the definition; the tests hold both equal.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
ResampledMetric = Callable[[Array, Array, int, Array], Array]


def draw_counts(n_rows: int, n_resamples: int, rng_seed: int) -> Array:
    """Counts of (resamples, rows) drawn with replacement; the same for the same arguments."""
    rng = np.random.default_rng(rng_seed)
    drawn = rng.integers(0, n_rows, size=(n_resamples, n_rows))
    flat = drawn + np.arange(n_resamples)[:, None] * n_rows
    counts = np.bincount(flat.ravel(), minlength=n_resamples * n_rows)
    return counts.reshape(n_resamples, n_rows).astype(float)


def resampled_scores(name: str, truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    """Value of a metric on each resample, in the encodings of `metrics.score`.

    Returns:
        (resamples,) floats; NaN where a resample leaves the metric undefined.
    """
    with np.errstate(all="ignore"):
        return np.asarray(RESAMPLED_METRICS[name](truth, prediction, n_classes, counts))


def standard_error(first: Array, second: Array) -> float:
    """Paired bootstrap standard error of the difference of two scores; NaN with fewer than two resamples."""
    difference = first - second
    difference = difference[np.isfinite(difference)]
    return float(np.std(difference, ddof=1)) if len(difference) > 1 else float("nan")


def _mean(losses: Array, counts: Array) -> Array:
    return np.asarray(counts @ losses / counts.sum(axis=1))


def _one_hot(codes: Array, size: int) -> Array:
    return np.asarray(np.eye(size)[codes.astype(int)])


def _accuracy(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    return _mean((truth == prediction).astype(float), counts)


def _by_class(truth: Array, prediction: Array, n_classes: int, counts: Array) -> tuple[Array, ...]:
    """Hits, true rows and predicted rows of each class: (resamples, classes) each."""
    true, predicted = _one_hot(truth, n_classes), _one_hot(prediction, n_classes)
    return counts @ (true * predicted), counts @ true, counts @ predicted


def _balanced_accuracy(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    hits, true, _ = _by_class(truth, prediction, n_classes, counts)
    return np.asarray(np.nansum(hits / true, axis=1) / (true > 0).sum(axis=1))


def _f1_macro(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    hits, true, predicted = _by_class(truth, prediction, n_classes, counts)
    size = true + predicted
    return np.asarray(np.nansum(2 * hits / size, axis=1) / (size > 0).sum(axis=1))


def _qwk(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    true, predicted = _one_hot(truth, n_classes), _one_hot(prediction, n_classes)
    distance = (np.arange(n_classes)[:, None] - np.arange(n_classes)) ** 2
    observed = counts @ distance[truth.astype(int), prediction.astype(int)]
    expected = ((counts @ true) @ distance * (counts @ predicted)).sum(axis=1)
    return np.asarray(1 - observed * counts.sum(axis=1) / expected)


def _group_sums(order: Array, starts: Array, weights: Array) -> Array:
    return np.asarray(np.add.reduceat(weights[:, order], starts, axis=1))


def _groups(values: Array) -> tuple[Array, Array]:
    """Ascending order of rows, and where each group of equal values starts in it."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    return order, np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])


def _roc_auc(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    order, starts = _groups(prediction)
    positive = _group_sums(order, starts, counts * truth)
    negative = _group_sums(order, starts, counts * (1 - truth))
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return np.asarray((positive * below).sum(axis=1) / pairs)


def _average_precision(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    order, starts = _groups(-prediction)
    positive = _group_sums(order, starts, counts * truth)
    everything = _group_sums(order, starts, counts)
    precision = np.cumsum(positive, axis=1) / np.cumsum(everything, axis=1)
    return np.asarray(np.nansum(positive * precision, axis=1) / positive.sum(axis=1))


def _log_loss(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    epsilon = np.finfo(float).eps
    rows = np.arange(len(truth))
    both = prediction if prediction.ndim == 2 else np.column_stack([1 - prediction, prediction])
    clipped = np.clip(both[rows, truth.astype(int)], epsilon, 1 - epsilon)
    return _mean(-np.log(clipped), counts)


def _rmse(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    return np.sqrt(_mean((truth - prediction) ** 2, counts))


def _mae(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    return _mean(np.abs(truth - prediction), counts)


def _rmsle(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    return np.sqrt(_mean((np.log1p(truth) - np.log1p(prediction)) ** 2, counts))


def _r2(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    centred = truth - truth.mean()
    spread = _mean(centred**2, counts) - _mean(centred, counts) ** 2
    return np.asarray(1 - _mean((truth - prediction) ** 2, counts) / spread)


def _ranks(values: Array, counts: Array) -> Array:
    """Mid-ranks of each data row within each resample: (resamples, rows)."""
    order, starts = _groups(values)
    sizes = _group_sums(order, starts, counts)
    ranks = np.cumsum(sizes, axis=1) - sizes / 2
    group = np.empty(len(values), dtype=int)
    group[order] = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(values)]))
    return np.asarray(ranks[:, group])


def _spearman(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    total = counts.sum(axis=1)
    true, predicted = _ranks(truth, counts), _ranks(prediction, counts)
    true = true - total[:, None] / 2
    predicted = predicted - total[:, None] / 2
    covariance = (counts * true * predicted).sum(axis=1)
    spread = (counts * true**2).sum(axis=1) * (counts * predicted**2).sum(axis=1)
    return np.asarray(np.where(spread > 0, covariance / np.sqrt(spread), 0.0))


RESAMPLED_METRICS: Final[Mapping[str, ResampledMetric]] = MappingProxyType(
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
"""Metric name to its function of counts."""
