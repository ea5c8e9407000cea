"""Representations of rows as matrices, for the members of a population. What is fitted is fitted on training rows."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sandmle.plugins.seeds.realdata.columns import encode_columns
from sandmle.plugins.seeds.realdata.rows import Split

Matrix = npt.NDArray[np.float64]
Pair = tuple[Matrix, Matrix]

PRODUCT_COLUMNS: Final = 12
"""Of many columns the first ones only, or products would be thousands."""


def represent(split: Split, view: str) -> Pair:
    """Training and test rows as (rows, columns) matrices.

    Args:
        split: the rows.
        view: a name of `population.VIEWS` for the modality of the split.
    """
    train = split.counts.train
    if split.view.modality == "text":
        return _texts(split.data[:train], split.data[train:], view)
    if split.header is not None:
        known, asked = encode_columns(split.data[:train], split.data[train:])
    else:
        data = np.asarray(split.data, dtype=float)
        known, asked = data[:train], data[train:]
    if view == "components":
        return _components(known.reshape(len(known), -1), asked.reshape(len(asked), -1))
    if view == "ranks":
        return _ranks(known, known), _ranks(known, asked)
    made = _MADE[view]
    return made(known), made(asked)


def _components(known: Matrix, asked: Matrix) -> Pair:
    maker = make_pipeline(StandardScaler(), PCA(min(5, known.shape[1], len(known)), svd_solver="full"))
    return np.asarray(maker.fit_transform(known)), np.asarray(maker.transform(asked))


def _ranks(known: Matrix, rows: Matrix) -> Matrix:
    columns = [np.searchsorted(np.sort(column), values) for column, values in zip(known.T, rows.T, strict=True)]
    return np.column_stack(columns) / len(known)


def _products(rows: Matrix) -> Matrix:
    return np.asarray(PolynomialFeatures(2, include_bias=False).fit_transform(rows[:, :PRODUCT_COLUMNS]))


def _coarse(images: Matrix) -> Matrix:
    side = images.shape[1] // 4 * 4
    blocks = images[:, :side, :side].reshape(len(images), 4, side // 4, 4, side // 4).mean(axis=(2, 4))
    return np.asarray(blocks.reshape(len(images), -1))


def _means(images: Matrix) -> Matrix:
    return np.column_stack([images.mean(axis=(1, 2)), images.std(axis=(1, 2)), images.mean(axis=1)])


def _edges(images: Matrix) -> Matrix:
    across, down = np.abs(np.diff(images, axis=2)), np.abs(np.diff(images, axis=1))
    return np.column_stack([across.mean(axis=1), down.mean(axis=2)])


def _centre(images: Matrix) -> Matrix:
    rim = images.shape[1] // 4
    return images[:, rim:-rim, rim:-rim].reshape(len(images), -1)


_MADE: Final[Mapping[str, Callable[[Matrix], Matrix]]] = MappingProxyType(
    {
        "columns": lambda rows: rows,
        "half": lambda rows: rows[:, ::2],
        # Of a single column there is no other half.
        "other-half": lambda rows: rows[:, 1::2] if rows.shape[1] > 1 else rows,
        "products": _products,
        "pixels": lambda images: images.reshape(len(images), -1),
        "coarse": _coarse,
        "means": _means,
        "edges": _edges,
        "centre": _centre,
    }
)

_BAGS: Final[Mapping[str, Callable[[], Any]]] = MappingProxyType(
    {
        "words": lambda: CountVectorizer(min_df=2, max_features=300),
        "few-words": lambda: CountVectorizer(min_df=2, max_features=40),
        "weights": lambda: TfidfVectorizer(min_df=2, max_features=200, sublinear_tf=True),
        "triples": lambda: CountVectorizer(analyzer="char_wb", ngram_range=(3, 3), min_df=3, max_features=200),
        "letters": lambda: TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), min_df=3, max_features=400, sublinear_tf=True
        ),
    }
)


def _texts(known: list[str], asked: list[str], view: str) -> Pair:
    if view == "length":
        counts = [np.array([[len(text), len(text.split())] for text in part], dtype=float) for part in (known, asked)]
        return counts[0], counts[1]
    maker = _BAGS[view]()
    fitted = maker.fit_transform(known).toarray().astype(float)
    return fitted, maker.transform(asked).toarray().astype(float)
