"""Metric values on cases that can be worked out by hand, and truths that leave a metric undefined."""

import math

import numpy as np
import pytest

from sandmle.core.engine.metrics import METRIC_FUNCTIONS, score
from sandmle.core.errors import TaskError
from sandmle.core.types.metrics import METRICS

LABELS = np.array([0.0, 0.0, 1.0, 2.0])
VALUES = np.array([1.0, 2.0, 3.0, 4.0])
BINARY = np.array([0.0, 0.0, 1.0, 1.0])


def test_every_metric_of_the_catalogue_is_computed():
    assert METRIC_FUNCTIONS.keys() == METRICS.keys()


@pytest.mark.parametrize(
    ("name", "truth", "prediction", "n_classes", "value"),
    [
        ("accuracy", LABELS, [0, 1, 1, 1], 3, 0.5),
        ("balanced_accuracy", LABELS, [0, 1, 1, 1], 3, 0.5),
        ("f1_macro", LABELS, [0, 1, 1, 1], 3, (2 / 3 + 0.5 + 0) / 3),
        ("qwk", LABELS, [0, 0, 1, 2], 3, 1.0),
        ("qwk", LABELS, [0, 0, 0, 0], 3, 0.0),
        ("roc_auc", BINARY, [0.1, 0.6, 0.6, 0.9], 2, 3.5 / 4),
        ("average_precision", BINARY, [0.1, 0.6, 0.5, 0.9], 2, 0.5 * 1 + 0.5 * 2 / 3),
        ("log_loss", BINARY, [0.5, 0.5, 0.5, 0.5], 2, math.log(2)),
        ("log_loss", LABELS, np.full((4, 3), 1 / 3), 3, math.log(3)),
        ("rmse", VALUES, [1, 2, 3, 6], 0, 1.0),
        ("mae", VALUES, [1, 2, 3, 6], 0, 0.5),
        ("rmsle", VALUES, [1, 2, 3, 4], 0, 0.0),
        ("rmsle", np.array([0.0]), [math.e - 1], 0, 1.0),
        ("r2", VALUES, [2.5, 2.5, 2.5, 2.5], 0, 0.0),
        ("spearman", VALUES, [1, 10, 100, 1000], 0, 1.0),
        ("spearman", VALUES, [5, 5, 5, 5], 0, 0.0),
    ],
)
def test_values_are_those_worked_out_by_hand(
    name: str, truth: np.ndarray, prediction: object, n_classes: int, value: float
):
    assert score(name, truth, np.array(prediction, dtype=float), n_classes) == pytest.approx(value)


@pytest.mark.parametrize(("certain", "loss"), [(0.0, -math.log(np.finfo(float).eps)), (1.0, 0.0)])
def test_log_loss_of_a_certain_answer_is_finite(certain: float, loss: float):
    assert score("log_loss", np.array([1.0]), np.array([certain]), 2) == pytest.approx(loss)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "qwk", "r2", "spearman"])
def test_a_constant_truth_is_the_tasks_fault(name: str):
    with pytest.raises(TaskError, match="undefined"):
        score(name, np.ones(5), np.arange(5.0), 2)


def test_no_rows_a_negative_truth_and_an_unknown_metric_are_the_tasks_fault():
    with pytest.raises(TaskError, match="no rows"):
        score("rmse", np.array([]), np.array([]), 0)
    with pytest.raises(TaskError, match="negative"):
        score("rmsle", np.array([-0.5, 1.0]), np.ones(2), 0)
    with pytest.raises(TaskError, match="did you mean 'accuracy'"):
        score("acuracy", BINARY, BINARY, 2)
