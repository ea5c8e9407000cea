"""The vectorised metrics against the definitions, row by row of real resamples."""

import numpy as np
import pytest

from sandmle.core.engine.metrics import METRIC_FUNCTIONS, Array
from sandmle.core.engine.resampling import RESAMPLED_METRICS, draw_counts, resampled_scores, standard_error
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Prediction

N_ROWS, N_CLASSES, N_RESAMPLES = 80, 4, 12


def case(name: str, several: bool = False) -> tuple[Array, Array, int]:
    rng = np.random.default_rng(5)
    kind = METRICS[name].prediction
    if kind is Prediction.VALUE:
        size = (N_ROWS, 3) if several else N_ROWS
        truth = 0.1 + rng.gamma(2.0, size=size).round(1)
        return truth, (truth + rng.gamma(1.0, size=size)).round(1), 0
    if kind is Prediction.LABELS:
        truth = (rng.random((N_ROWS, 3)) < 0.4).astype(float)
        return truth, (0.3 * truth + 0.6 * rng.random((N_ROWS, 3))).round(1), 0
    if kind is Prediction.LABEL:
        truth = rng.integers(0, N_CLASSES, N_ROWS).astype(float)
        return truth, np.where(rng.random(N_ROWS) < 0.5, truth, rng.integers(0, N_CLASSES, N_ROWS)), N_CLASSES
    if several:
        return rng.integers(0, N_CLASSES, N_ROWS).astype(float), rng.dirichlet(np.ones(N_CLASSES), N_ROWS), N_CLASSES
    truth = rng.integers(0, 2, N_ROWS).astype(float)
    return truth, (0.3 * truth + 0.6 * rng.random(N_ROWS)).round(1), 2


def test_every_metric_can_be_resampled():
    assert RESAMPLED_METRICS.keys() == METRIC_FUNCTIONS.keys()


@pytest.mark.parametrize(
    ("name", "several"),
    [*((name, False) for name in METRICS), *((name, True) for name in ("log_loss", "brier", "rmse", "mae", "r2"))],
)
def test_resampled_values_equal_the_metric_on_the_resampled_rows(name: str, several: bool):
    truth, prediction, n_classes = case(name, several)
    counts = draw_counts(N_ROWS, N_RESAMPLES, rng_seed=3)
    values = resampled_scores(name, truth, prediction, n_classes, counts)
    for row, value in zip(counts, values, strict=True):
        drawn = np.repeat(np.arange(N_ROWS), row.astype(int))
        assert value == pytest.approx(METRIC_FUNCTIONS[name](truth[drawn], prediction[drawn], n_classes))


def test_counts_are_the_same_for_the_same_seed_and_draw_as_many_rows_as_there_are():
    assert (draw_counts(50, 4, 1) == draw_counts(50, 4, 1)).all()
    assert not (draw_counts(50, 4, 1) == draw_counts(50, 4, 2)).all()
    assert (draw_counts(50, 4, 1).sum(axis=1) == 50).all()


def test_the_standard_error_is_that_of_the_paired_difference():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 2000).astype(float)
    counts = draw_counts(2000, 500, 1)
    right, wrong_sometimes = truth, np.where(rng.random(2000) < 0.2, 1 - truth, truth)
    first = resampled_scores("accuracy", truth, right, 2, counts)
    second = resampled_scores("accuracy", truth, wrong_sometimes, 2, counts)
    assert standard_error(first, second) == pytest.approx(np.sqrt(0.2 * 0.8 / 2000), rel=0.15)
    assert standard_error(first, first) == 0.0
    assert np.isnan(standard_error(first[:1], second[:1]))
