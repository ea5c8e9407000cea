"""The metric catalogue: names, directions and what a submission must hold. Computed in the grading process only."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sandmle.core.types.score import Direction, Metric, Prediction

_MAX, _MIN = Direction.MAXIMIZE, Direction.MINIMIZE


def _metric(name: str, direction: Direction, prediction: Prediction, summary: str) -> Metric:
    return Metric(name=name, direction=direction, prediction=prediction, summary=summary)


METRICS: Final = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            _metric("accuracy", _MAX, Prediction.LABEL, "share of rows whose label is right"),
            _metric("balanced_accuracy", _MAX, Prediction.LABEL, "mean recall over the classes"),
            _metric("f1_macro", _MAX, Prediction.LABEL, "mean F1 over the classes"),
            _metric("qwk", _MAX, Prediction.LABEL, "quadratic-weighted kappa of ordered labels"),
            _metric("f1_weighted", _MAX, Prediction.LABEL, "mean F1 over the classes, weighted by their true rows"),
            _metric("mcc", _MAX, Prediction.LABEL, "Matthews correlation coefficient of true and predicted classes"),
            _metric("roc_auc", _MAX, Prediction.PROBABILITY, "area under the ROC curve, two classes"),
            _metric("average_precision", _MAX, Prediction.PROBABILITY, "average precision, two classes"),
            _metric("log_loss", _MIN, Prediction.PROBABILITY, "mean negative log-likelihood, natural logarithm"),
            _metric("brier", _MIN, Prediction.PROBABILITY, "mean squared error of the class probabilities"),
            _metric("rmse", _MIN, Prediction.VALUE, "root mean squared error"),
            _metric("mae", _MIN, Prediction.VALUE, "mean absolute error"),
            _metric("rmsle", _MIN, Prediction.VALUE, "root mean squared error of log(1 + value)"),
            _metric("r2", _MAX, Prediction.VALUE, "coefficient of determination"),
            _metric("spearman", _MAX, Prediction.VALUE, "Spearman rank correlation"),
            _metric("median_ae", _MIN, Prediction.VALUE, "median absolute error"),
            _metric("mape", _MIN, Prediction.VALUE, "mean absolute error as a share of the true value"),
            _metric("smape", _MIN, Prediction.VALUE, "mean absolute error as a share of true plus predicted size"),
            _metric("pearson", _MAX, Prediction.VALUE, "Pearson correlation"),
            _metric("ndcg", _MAX, Prediction.VALUE, "normalized discounted cumulative gain of the predicted order"),
            _metric("kendall_tau", _MAX, Prediction.VALUE, "Kendall rank correlation, tau-b"),
            _metric("mean_roc_auc", _MAX, Prediction.LABELS, "area under the ROC curve, mean over the labels"),
            _metric("mean_average_precision", _MAX, Prediction.LABELS, "average precision, mean over the labels"),
            _metric("label_log_loss", _MIN, Prediction.LABELS, "negative log-likelihood, mean over rows and labels"),
            _metric("f1_labels", _MAX, Prediction.LABELS, "F1 of probabilities cut at one half, mean over the labels"),
            _metric("hamming_loss", _MIN, Prediction.LABELS, "share of wrong entries, probabilities cut at one half"),
        )
    }
)
"""Metric name to `Metric`."""

TWO_CLASS_METRICS: Final = ("roc_auc", "average_precision")
"""Metrics that are defined for two classes only."""

METRICS_BY_TASK_TYPE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "classification": (
            *("accuracy", "balanced_accuracy", "f1_macro", "f1_weighted", "mcc", "qwk"),
            *("roc_auc", "average_precision", "log_loss", "brier"),
        ),
        "regression": ("rmse", "mae", "rmsle", "r2", "spearman", "median_ae", "mape", "pearson"),
        "multilabel": ("mean_roc_auc", "mean_average_precision", "label_log_loss", "f1_labels", "hamming_loss"),
        "ranking": ("ndcg", "kendall_tau", "spearman"),
        "forecasting": ("rmse", "mae", "smape", "mape", "r2"),
        "reconstruction": ("rmse", "mae", "r2"),
    }
)
"""Task type (of `types/task.py`) to the metrics that suit it."""


def suits(metric: str, task_type: str) -> bool:
    """Whether a metric of the catalogue can score tasks of this type."""
    return metric in METRICS_BY_TASK_TYPE.get(task_type, ())
