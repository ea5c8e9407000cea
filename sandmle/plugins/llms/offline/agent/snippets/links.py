"""Rows that are linked: what their neighbours are like."""

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]


def read_links(train: pd.DataFrame, test: pd.DataFrame, path: str) -> npt.NDArray[np.int64]:
    """Links as pairs of row numbers, those of the test table after those of the training table."""
    ids = np.concatenate([train.iloc[:, 0].to_numpy(), test.iloc[:, 0].to_numpy()])
    place = pd.Series(np.arange(len(ids)), index=ids)
    edges = pd.read_csv(path)
    pairs = np.column_stack([place.reindex(edges[name]).to_numpy(float) for name in edges.columns[:2]])
    return np.asarray(pairs[~np.isnan(pairs).any(axis=1)].astype(int))


def links_of(pairs: npt.NDArray[np.int64], rows: int) -> Array:
    """How many links each row has: (rows, 1)."""
    return np.bincount(pairs.ravel(), minlength=rows).astype(float)[:, None]


def around(values: Array, pairs: npt.NDArray[np.int64]) -> Array:
    """Means over the neighbours of each row: (rows, features)."""
    total = np.zeros_like(values)
    np.add.at(total, pairs[:, 0], values[pairs[:, 1]])
    np.add.at(total, pairs[:, 1], values[pairs[:, 0]])
    return total / np.maximum(links_of(pairs, len(values)), 1)


def linked_features(pairs: npt.NDArray[np.int64], table: tuple[Array, Array]) -> tuple[Array, Array]:
    """Number of links, means over neighbours one and two steps away of every feature, and what sets a row apart."""
    own = np.vstack(table)
    near, degree = around(own, pairs), links_of(pairs, len(own))
    counts = np.log1p(degree)
    parts = [own, near, around(near, pairs), np.abs(own - near), around(np.abs(own), pairs), own * near]
    whole = np.hstack([*parts, degree, counts, around(counts, pairs)])
    return whole[: len(table[0])], whole[len(table[0]) :]


def neighbours_answers(pairs: npt.NDArray[np.int64], target: Array, n_classes: int, rows: int) -> tuple[Array, Array]:
    """Means of the known answers among a row's neighbours, one and two steps away, without its own."""
    told = np.eye(n_classes)[target.astype(int)] if n_classes else (target[:, None] - target.mean()) / target.std()
    known = np.vstack([told - told.mean(axis=0), np.zeros((rows - len(target), told.shape[1]))])
    near = around(known, pairs)
    # Over two steps a row's own answer comes back to it and has to be taken out.
    back = around(1 / np.maximum(links_of(pairs, rows), 1), pairs)
    whole = np.hstack([near, around(near, pairs) - back * known])
    return whole[: len(target)], whole[len(target) :]
