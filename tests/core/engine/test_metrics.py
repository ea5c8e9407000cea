"""Metric values on cases that can be worked out by hand, and truths that leave a metric undefined."""

import math
from typing import get_args

import numpy as np
import pytest

from sandmle.core.engine.metrics import METRIC_FUNCTIONS, score
from sandmle.core.errors import TaskError
from sandmle.core.types.metrics import METRICS, METRICS_BY_TASK_TYPE, suits
from sandmle.core.types.task import TaskType

LABELS = np.array([0.0, 0.0, 1.0, 2.0])
VALUES = np.array([1.0, 2.0, 3.0, 4.0])
BINARY = np.array([0.0, 0.0, 1.0, 1.0])


MARKS = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
SAID = np.array([[0.2, 0.8], [0.4, 0.1], [0.9, 0.6], [0.1, 0.7]])


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
        ("f1_weighted", LABELS, [0, 1, 1, 1], 3, (2 * 2 / 3 + 0.5 + 0) / 4),
        ("mcc", LABELS, [0, 0, 1, 2], 3, 1.0),
        ("mcc", LABELS, [0, 0, 0, 0], 3, 0.0),
        ("brier", BINARY, [0.5, 0.5, 0.5, 0.5], 2, 0.25),
        ("brier", LABELS, np.full((4, 3), 1 / 3), 3, 2 / 3),
        ("median_ae", VALUES, [1, 2, 4, 9], 0, 0.5),
        ("mape", VALUES, [2, 2, 3, 4], 0, 0.25),
        ("smape", VALUES, [3, 2, 3, 4], 0, 0.25),
        ("pearson", VALUES, [2, 4, 6, 8], 0, 1.0),
        ("pearson", VALUES, [5, 5, 5, 5], 0, 0.0),
        ("ndcg", np.array([0.0, 1.0]), [2, 1], 0, 1 / math.log2(3)),
        ("ndcg", np.array([0.0, 1.0]), [1, 1], 0, (1 + 1 / math.log2(3)) / 2),
        ("kendall_tau", VALUES, [1, 3, 2, 4], 0, 4 / 6),
        ("kendall_tau", VALUES, [5, 5, 5, 5], 0, 0.0),
        ("mean_roc_auc", MARKS, SAID, 0, (1 + 3 / 4) / 2),
        ("mean_average_precision", MARKS, SAID, 0, (1 + (1 + 2 / 3) / 2) / 2),
        ("label_log_loss", MARKS, np.full((4, 2), 0.5), 0, math.log(2)),
        ("f1_labels", MARKS, SAID, 0, (2 / 3 + 0.8) / 2),
        ("hamming_loss", MARKS, SAID, 0, 2 / 8),
        ("rmse", MARKS, MARKS + 2, 0, 2.0),
        ("r2", MARKS, np.full((4, 2), 0.5), 0, 0.0),
    ],
)
def test_values_are_those_worked_out_by_hand(
    name: str, truth: np.ndarray, prediction: object, n_classes: int, value: float
):
    assert score(name, truth, np.array(prediction, dtype=float), n_classes) == pytest.approx(value)


@pytest.mark.parametrize(("certain", "loss"), [(0.0, -math.log(np.finfo(float).eps)), (1.0, 0.0)])
def test_log_loss_of_a_certain_answer_is_finite(certain: float, loss: float):
    assert score("log_loss", np.array([1.0]), np.array([certain]), 2) == pytest.approx(loss)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "qwk", "mcc", "r2", "spearman", "pearson", "ndcg"])
def test_a_constant_truth_is_the_tasks_fault(name: str):
    with pytest.raises(TaskError, match="undefined"):
        score(name, np.ones(5), np.arange(5.0), 2)


def test_no_rows_a_negative_truth_and_an_unknown_metric_are_the_tasks_fault():
    with pytest.raises(TaskError, match="no rows"):
        score("rmse", np.array([]), np.array([]), 0)
    with pytest.raises(TaskError, match="negative"):
        score("rmsle", np.array([-0.5, 1.0]), np.ones(2), 0)
    with pytest.raises(TaskError, match="not positive"):
        score("mape", np.array([0.0, 1.0]), np.ones(2), 0)
    with pytest.raises(TaskError, match="mean_roc_auc is undefined"):
        score("mean_roc_auc", np.array([[1.0, 0.0], [1.0, 1.0]]), np.ones((2, 2)), 0)
    with pytest.raises(TaskError, match="did you mean 'accuracy'"):
        score("acuracy", BINARY, BINARY, 2)


def test_every_metric_suits_a_type_of_task_and_every_type_has_metrics_of_both_kinds_of_answer():
    assert {name for names in METRICS_BY_TASK_TYPE.values() for name in names} == set(METRICS)
    assert set(METRICS_BY_TASK_TYPE) == set(get_args(TaskType))
    assert len(METRICS) >= 20
    assert suits("rmse", "regression")
    assert not suits("rmse", "classification")
