"""Reference solutions fitted on a split: their real scores stand on its board.

Scores are computed here and not by the grader, since the benchmark is asked for its tasks from inside a running
program; both use the same metric functions.
"""

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.dummy import DummyClassifier

from sandmle.core.engine.answers import ordered_classes
from sandmle.core.engine.metrics import score
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Direction, Prediction
from sandmle.plugins.seeds.realdata.population import CLASSES, VALUES, Reference, references
from sandmle.plugins.seeds.realdata.rows import Split
from sandmle.plugins.seeds.realdata.views import represent

Matrix = npt.NDArray[np.float64]


def reference_scores(split: Split) -> dict[str, float]:
    """Name to score on the private-board rows, best first. Fits are bounded by work, never by time."""
    made: dict[str, tuple[Matrix, Matrix]] = {}
    scores: dict[str, float] = {}
    for member in references(split.view.modality):
        if member.view not in made:
            known, asked = represent(split, member.view)
            made[member.view] = known, asked[split.private]
        value = _score_of(split, member, *made[member.view])
        # A solution without a score would not stand on a board.
        if math.isfinite(value):
            scores[member.name] = value
    sign = -1.0 if METRICS[split.view.metric].direction is Direction.MAXIMIZE else 1.0
    return dict(sorted(scores.items(), key=lambda item: (sign * item[1], item[0])))


def _score_of(split: Split, member: Reference, known: Matrix, asked: Matrix) -> float:
    rows = max(min(20, split.counts.train), round(member.share * split.counts.train))
    with warnings.catch_warnings():
        # Collinear columns and unfinished optimisation are part of being a plain solution.
        warnings.simplefilter("ignore")
        if split.classes:
            return _score_of_classes(split, member, known[:rows], asked)
        return _score_of_values(split, member, known[:rows], asked)


def _score_of_values(split: Split, member: Reference, known: Matrix, asked: Matrix) -> float:
    metric, train = split.view.metric, split.counts.train
    values = np.array([float(value) for value in split.target])
    truth, y = values[train:][split.private], values[: len(known)]
    model = VALUES[member.model]()
    if metric == "rmsle":
        found = np.expm1(model.fit(known, np.log1p(y)).predict(asked).clip(0, 30))
    else:
        found = model.fit(known, y).predict(asked)
    return score(metric, truth, found, 0)


def _score_of_classes(split: Split, member: Reference, known: Matrix, asked: Matrix) -> float:
    metric, train = split.view.metric, split.counts.train
    names = ordered_classes(split.form)
    codes = np.array([names.index(name) for name in split.target])
    truth, y = codes[train:][split.private], codes[: len(known)]
    model: Any = CLASSES[member.model]()
    if len(np.unique(y)) < 2:
        # Of a rare class the first rows may hold none, and then there is nothing to be learned from them.
        model = DummyClassifier(strategy="prior")
    model.fit(known, y)
    if split.form.prediction is Prediction.LABEL:
        return score(metric, truth, model.predict(asked), len(names))
    chance = np.zeros((len(asked), len(names)))
    chance[:, model.classes_] = np.nan_to_num(model.predict_proba(asked))
    # A class that was never met is not impossible.
    chance = chance.clip(1e-6) / chance.clip(1e-6).sum(axis=1, keepdims=True)
    return score(metric, truth, chance[:, 1] if len(names) == 2 else chance, len(names))
