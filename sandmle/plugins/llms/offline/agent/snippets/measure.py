"""The competition's metric on held-out rows, turned so that more is better."""

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn import metrics as sk

Array = npt.NDArray[np.float64]


def quality(metric: str, truth: Array, predicted: Array) -> float:
    """Score predictions: values for regression, else class probabilities (rows, classes)."""
    if predicted.ndim == 2:
        if metric == "roc_auc":
            return float(sk.roc_auc_score(truth, predicted[:, 1]))
        if metric == "average_precision":
            return float(sk.average_precision_score(truth, predicted[:, 1]))
        if metric == "log_loss":
            return -float(sk.log_loss(truth, np.clip(predicted, 1e-6, 1), labels=range(predicted.shape[1])))
        return label_quality(metric, truth, predicted.argmax(axis=1).astype(float))
    if metric == "mae":
        return -float(np.abs(truth - predicted).mean())
    if metric == "rmsle":
        error = np.log1p(np.clip(truth, 0, None)) - np.log1p(np.clip(predicted, 0, None))
        return -float(np.sqrt((error**2).mean()))
    if metric == "spearman":
        return float(np.nan_to_num(stats.spearmanr(truth, predicted).statistic))
    return -float(np.sqrt(((truth - predicted) ** 2).mean()))


def label_quality(metric: str, truth: Array, labels: Array) -> float:
    """Score chosen classes, given as codes."""
    if metric == "balanced_accuracy":
        return float(sk.balanced_accuracy_score(truth, labels))
    if metric == "f1_macro":
        return float(sk.f1_score(truth, labels, average="macro", zero_division=0))
    if metric == "qwk":
        return float(np.nan_to_num(sk.cohen_kappa_score(truth, labels, weights="quadratic")))
    return float((truth == labels).mean())
