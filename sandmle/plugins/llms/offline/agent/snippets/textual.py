"""Texts as numbers."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

Array = npt.NDArray[np.float64]


def word_features(train: list[str], test: list[str]) -> tuple[Any, Any]:
    """TF-IDF of single words."""
    words = TfidfVectorizer(sublinear_tf=True, min_df=2)
    return words.fit_transform(train).tocsr(), words.transform(test).tocsr()


def gram_features(train: list[str], test: list[str]) -> tuple[Any, Any]:
    """TF-IDF of words and word pairs beside character n-grams within words."""
    train, test = with_negations(train), with_negations(test)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    chars = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True, min_df=3, max_features=4000)
    return (
        sparse.hstack([words.fit_transform(train), chars.fit_transform(train)]).tocsr(),
        sparse.hstack([words.transform(test), chars.transform(test)]).tocsr(),
    )


def with_negations(texts: list[str]) -> list[str]:
    """Texts in which a word after a negation is a word of its own."""
    return [re.sub(r"\b(not|no|never|hardly|without|nothing)\s+(\w+)", r"\1 not_\2", text.lower()) for text in texts]


def amounts_in(text: str) -> list[float]:
    """Count, sum, largest, smallest, first and last of the numbers in a text, damped."""
    numbers = [float(one) for one in re.findall(r"\d+(?:\.\d+)?", text)[:50]] or [0.0]
    return [float(len(numbers)), *np.log1p([sum(numbers), max(numbers), min(numbers), numbers[0], numbers[-1]])]


def style_of(texts: list[str]) -> Array:
    """Lengths, punctuation, digits, capitals and variety of each text."""
    rows = []
    for text in texts:
        words = text.split()
        letters = max(1, len(text))
        sentences = max(1, len(re.findall(r"[.!?]+", text)))
        rows.append(
            [
                len(text), len(words), letters / max(1, len(words)), sentences, len(words) / sentences,
                sum(c.isdigit() for c in text), sum(c.isupper() for c in text) / letters,
                text.count("!"), text.count("?"), text.count(","), text.count("-"), text.count("\n"),
                len({word.lower() for word in words}) / max(1, len(words)), *amounts_in(text),
            ]
        )  # fmt: skip
    return np.asarray(rows, dtype=float)


def dense_features(train: list[str], test: list[str]) -> tuple[Array, Array]:
    """Style, counts of the most frequent words, and latent topics: what trees and kernels can use."""
    counts = CountVectorizer(max_features=150, min_df=3)
    few = counts.fit_transform(with_negations(train))
    topics = TruncatedSVD(min(12, few.shape[1] - 1), random_state=0)
    head = np.hstack([style_of(train), few.toarray(), topics.fit_transform(few)])
    rest = counts.transform(with_negations(test))
    tail = np.hstack([style_of(test), rest.toarray(), topics.transform(rest)])
    spread = head.std(axis=0)
    spread[spread == 0] = 1.0
    return (head - head.mean(axis=0)) / spread, (tail - head.mean(axis=0)) / spread


def texts_of(table: pd.DataFrame, columns: list[str]) -> list[str]:
    """All text columns of a row as one text."""
    return [" ".join(map(str, row)) for row in table[columns].fillna("").to_numpy()]
