"""The metric catalogue: names, directions and what a submission must hold. Computed in the grading process only."""

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
            _metric("roc_auc", _MAX, Prediction.PROBABILITY, "area under the ROC curve, two classes"),
            _metric("average_precision", _MAX, Prediction.PROBABILITY, "average precision, two classes"),
            _metric("log_loss", _MIN, Prediction.PROBABILITY, "mean negative log-likelihood, natural logarithm"),
            _metric("rmse", _MIN, Prediction.VALUE, "root mean squared error"),
            _metric("mae", _MIN, Prediction.VALUE, "mean absolute error"),
            _metric("rmsle", _MIN, Prediction.VALUE, "root mean squared error of log(1 + value)"),
            _metric("r2", _MAX, Prediction.VALUE, "coefficient of determination"),
            _metric("spearman", _MAX, Prediction.VALUE, "Spearman rank correlation"),
        )
    }
)
"""Metric name to `Metric`."""
