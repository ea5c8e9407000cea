"""Measures the DNA of real data: sizes, kinds of columns, balance, and how strongly the target depends on features.

Figures are rounded, so that they do not hang on the last bits of a machine's arithmetic.
"""

import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sandmle.core.types.task import TaskType

Matrix = npt.NDArray[np.float64]
Dna = dict[str, float | int | str]

FEW_VALUES: Final = 5
"""A column with at most this many distinct values counts as categorical."""
MOST_ROWS: Final = 600
"""Rows used for the dependence figures; they are shares and means, which more rows would not change much."""
FOLDS: Final = 3
_WORD: Final = re.compile(r"[a-z]{2,}")


def table_dna(data: Matrix, target: npt.NDArray[Any], task_type: TaskType) -> Dna:
    """Measure a table.

    Args:
        data: (rows, columns).
        target: (rows,) classes or values.
        task_type: what is asked of it.
    """
    distinct = [len(np.unique(column)) for column in data.T]
    categorical = sum(count <= FEW_VALUES for count in distinct)
    return {
        "rows": len(data),
        "columns": data.shape[1],
        "numeric_columns": data.shape[1] - categorical,
        "categorical_columns": categorical,
        "median_cardinality": int(np.median(distinct)),
        "missing_share": round(float(np.isnan(data).mean()), 3),
        "column_skewness": round(float(np.median(np.abs([_skewness(column) for column in data.T]))), 1),
        **_target_dna(target, task_type),
        **_dependence(data, target, task_type),
    }


def image_dna(images: Matrix, target: npt.NDArray[Any], task_type: TaskType) -> Dna:
    """Measure grey images of shape (rows, side, side)."""
    flat = images.reshape(len(images), -1)
    spread = images.max() - images.min()
    neighbours = np.abs(np.diff(images, axis=2)).mean() / spread
    return {
        "rows": len(images),
        "image_size": images.shape[1],
        "channels": 1,
        "mean_brightness": round(float((images.mean() - images.min()) / spread), 2),
        "contrast": round(float(flat.std(axis=1).mean() / spread), 2),
        "roughness": round(float(neighbours), 2),
        **_target_dna(target, task_type),
        **_dependence(flat, target, task_type),
    }


def text_dna(texts: list[str], target: npt.NDArray[Any], task_type: TaskType) -> Dna:
    """Measure short texts; the dependence figures are those of their hundred most frequent words."""
    bags = [_WORD.findall(text.lower()) for text in texts]
    counts: dict[str, int] = {}
    for bag in bags:
        for word in set(bag):
            counts[word] = counts.get(word, 0) + 1
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:100]
    table = np.array([[bag.count(word) for word in frequent] for bag in bags], dtype=float)
    return {
        "rows": len(texts),
        "vocabulary": len(counts),
        "words_per_text": round(float(np.mean([len(bag) for bag in bags])), 1),
        "letters_per_word": round(float(np.mean([len(word) for bag in bags for word in bag])), 1),
        "rare_word_share": round(sum(count == 1 for count in counts.values()) / len(counts), 2),
        **_target_dna(target, task_type),
        **_dependence(table, target, task_type),
    }


def _target_dna(target: npt.NDArray[Any], task_type: TaskType) -> Dna:
    if task_type == "regression":
        return {
            "target_distinct": len(np.unique(target)),
            "target_skewness": round(_skewness(target.astype(float)), 1),
            "target_positive": int(bool((target > 0).all())),
        }
    shares = np.unique(target, return_counts=True)[1] / len(target)
    return {
        "classes": len(shares),
        "majority_share": round(float(shares.max()), 3),
        "minority_share": round(float(shares.min()), 3),
        "balance": round(float(-(shares * np.log(shares)).sum() / np.log(len(shares))), 3),
    }


def _skewness(values: Matrix) -> float:
    spread = values.std()
    return float((((values - values.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0


def _dependence(data: Matrix, target: npt.NDArray[Any], task_type: TaskType) -> Dna:
    """How strongly the target depends on single columns, and what a cross-validated linear model gets out of all.

    For classes a column's strength is its correlation ratio, for values its absolute correlation; the linear
    skill is R² for values, and for classes the accuracy above the majority's share, 1 being perfect.
    """
    chosen = np.random.default_rng(0).permutation(len(data))[:MOST_ROWS]
    data, target = data[chosen], target[chosen]
    data = data[:, data.std(axis=0) > 0]
    data = (data - data.mean(axis=0)) / data.std(axis=0)
    if task_type == "regression":
        wanted = target.astype(float)[:, None]
    else:
        wanted = (target[:, None] == np.unique(target)).astype(float)
    centred = wanted - wanted.mean(axis=0)
    strength = _column_strength(data, wanted, task_type)
    predicted = np.concatenate([_ridge(data, centred, fold) for fold in _folds(len(data))])
    truth = np.concatenate([centred[fold] for fold in _folds(len(data))])
    if task_type == "regression":
        skill = 1 - ((truth - predicted) ** 2).sum() / (truth**2).sum()
    else:
        bias = wanted.mean(axis=0)
        right = ((predicted + bias).argmax(axis=1) == (truth + bias).argmax(axis=1)).mean()
        skill = (right - bias.max()) / (1 - bias.max())
    return {
        "mean_dependence": round(float(strength.mean()), 2),
        "strongest_dependence": round(float(strength.max()), 2),
        "linear_skill": round(max(0.0, float(skill)), 2),
    }


def _column_strength(data: Matrix, wanted: Matrix, task_type: TaskType) -> Matrix:
    """Per column of standardized `data`: the correlation ratio over classes, or the absolute correlation."""
    if task_type == "regression":
        values = (wanted[:, 0] - wanted.mean()) / wanted.std()
        return np.asarray(np.abs(data.T @ values) / len(data))
    sizes = wanted.sum(axis=0)
    means = (data.T @ wanted) / sizes
    return np.asarray(np.sqrt((means**2 * sizes).sum(axis=1) / len(data)))


def _folds(rows: int) -> list[npt.NDArray[np.int64]]:
    return [np.arange(start, rows, FOLDS) for start in range(FOLDS)]


def _ridge(data: Matrix, wanted: Matrix, fold: npt.NDArray[np.int64]) -> Matrix:
    """Predictions for a fold by ridge regression fitted on the other rows."""
    kept = np.ones(len(data), dtype=bool)
    kept[fold] = False
    x, y = data[kept], wanted[kept]
    return np.asarray(data[fold] @ np.linalg.solve(x.T @ x + 5.0 * np.eye(x.shape[1]), x.T @ y))
