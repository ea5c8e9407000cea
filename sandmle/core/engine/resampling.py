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

from sandmle.core.engine.metrics import LABEL_CUT

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
    """Mean loss of each resample; of several columns, over all their cells."""
    by_row = losses.reshape(len(losses), -1).mean(axis=1)
    return np.asarray(counts @ by_row / counts.sum(axis=1))


def _over_columns(metric: ResampledMetric, truth: Array, prediction: Array, counts: Array) -> Array:
    """Mean of a metric over the columns of truth and prediction."""
    columns = [metric(a, b, 0, counts) for a, b in zip(truth.T, prediction.T, strict=True)]
    return np.asarray(np.mean(columns, axis=0))


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
    if truth.ndim == 2:
        return _over_columns(_r2, truth, prediction, counts)
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


def _f1_weighted(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    hits, true, predicted = _by_class(truth, prediction, n_classes, counts)
    return np.asarray(np.nansum(true * 2 * hits / (true + predicted), axis=1) / true.sum(axis=1))


def _mcc(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    hits, true, predicted = _by_class(truth, prediction, n_classes, counts)
    total = true.sum(axis=1)
    covariance = hits.sum(axis=1) * total - (true * predicted).sum(axis=1)
    spread = (total**2 - (true**2).sum(axis=1)) * (total**2 - (predicted**2).sum(axis=1))
    return np.asarray(np.where(spread > 0, covariance / np.sqrt(spread), 0.0))


def _brier(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    true = truth if prediction.ndim == 1 else _one_hot(truth, n_classes)
    return _mean(((true - prediction) ** 2).reshape(len(truth), -1).sum(axis=1), counts)


def _median_ae(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    errors = np.abs(truth - prediction)
    order = np.argsort(errors, kind="stable")
    reached, total = np.cumsum(counts[:, order], axis=1), counts.sum(axis=1)
    low = (reached > ((total - 1) // 2)[:, None]).argmax(axis=1)
    high = (reached > (total // 2)[:, None]).argmax(axis=1)
    return np.asarray((errors[order][low] + errors[order][high]) / 2)


def _mape(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    return _mean(np.abs(truth - prediction) / np.abs(truth), counts)


def _smape(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    size = (np.abs(truth) + np.abs(prediction)) / 2
    return _mean(np.abs(truth - prediction) / np.where(size > 0, size, 1.0), counts)


def _pearson(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    # About their means over all rows, which changes no correlation and keeps the sums small.
    a, b = truth - truth.mean(), prediction - prediction.mean()
    covariance = _mean(a * b, counts) - _mean(a, counts) * _mean(b, counts)
    spread = (_mean(a**2, counts) - _mean(a, counts) ** 2) * (_mean(b**2, counts) - _mean(b, counts) ** 2)
    return np.asarray(np.where(spread > 0, covariance / np.sqrt(spread), 0.0))


def _gain(truth: Array, by: Array, counts: Array) -> Array:
    """Discounted gain of each resample's rows in descending order of `by`, level rows sharing their places."""
    order, starts = _groups(-by)
    sizes = _group_sums(order, starts, counts)
    gains = _group_sums(order, starts, counts * truth)
    ends = np.cumsum(sizes, axis=1).astype(int)
    discounts = np.r_[0.0, np.cumsum(1 / np.log2(np.arange(ends.max()) + 2))]
    shared = discounts[ends] - discounts[ends - sizes.astype(int)]
    return np.asarray((gains / np.maximum(sizes, 1) * shared).sum(axis=1))


def _ndcg(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    return np.asarray(_gain(truth, prediction, counts) / _gain(truth, truth, counts))


def _kendall_tau(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    # Signs of all pairs of rows; a row drawn twice is level with itself. Small integers are exact in 32 bits.
    weights = counts.astype(np.float32)
    true, predicted = (np.sign(one[:, None] - one).astype(np.float32) for one in (truth, prediction))
    agreed, apart, told = (
        np.einsum("ij,ij->i", weights @ pairs, weights, dtype=float)
        for pairs in (true * predicted, np.abs(true), np.abs(predicted))
    )
    return np.asarray(np.where(apart * told > 0, agreed / np.sqrt(apart * told), 0.0))


def _mean_roc_auc(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    return _over_columns(_roc_auc, truth, prediction, counts)


def _mean_average_precision(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    return _over_columns(_average_precision, truth, prediction, counts)


def _label_log_loss(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    epsilon = np.finfo(float).eps
    told = np.clip(np.where(truth > 0, prediction, 1 - prediction), epsilon, 1 - epsilon)
    return _mean(-np.log(told), counts)


def _f1_labels(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    said = (prediction >= LABEL_CUT).astype(float)
    hits, size = counts @ (truth * said), counts @ (truth + said)
    return np.asarray(np.mean(np.where(size > 0, 2 * hits / np.maximum(size, 1), 0.0), axis=1))


def _hamming_loss(truth: Array, prediction: Array, n_classes: int, counts: Array) -> Array:
    return _mean((truth != (prediction >= LABEL_CUT)).astype(float), counts)


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
"""Metric name to its function of counts."""
