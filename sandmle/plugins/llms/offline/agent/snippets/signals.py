"""Sounds and readings in time as numbers."""

import os
import wave
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]


def read_sounds(names: list[str]) -> Array:
    """WAV files of one channel, 16 bits: (rows, samples), cut or filled to one length."""
    found = []
    for name in names:
        with wave.open(os.path.join("data", name)) as file:
            found.append(np.frombuffer(file.readframes(-1), "<i2").astype(float) / 32768)
    return same_length(found)


def read_series(names: list[str]) -> Array:
    """The last column of one CSV file a row: (rows, readings), cut or filled to one length."""
    tables = [pd.read_csv(os.path.join("data", name)).iloc[:, -1].to_numpy(float) for name in names]
    return same_length(tables)


def same_length(found: list[Array]) -> Array:
    """Rows of the length that most have."""
    length = int(np.median([len(one) for one in found]))
    return np.array([np.pad(one, (0, max(0, length - len(one))))[:length] for one in found])


def plain_signal(signals: Array) -> Array:
    """Level, spread and the course in a few pieces, and how often each half of it crosses its level."""
    edges = np.linspace(0, signals.shape[1], 13).astype(int)
    pieces = [signals[:, a:b] for a, b in pairwise(edges)]
    means, spreads = [one.mean(axis=1) for one in pieces], [one.std(axis=1) for one in pieces]
    sides = np.sign(signals - signals.mean(axis=1, keepdims=True))
    crossings = [(np.diff(half, axis=1) != 0).mean(axis=1) for half in np.array_split(sides, 2, axis=1)]
    return np.column_stack([signals.mean(axis=1), signals.std(axis=1), *means, *spreads, *crossings])


def around_gap(signals: Array, others: Array, reach: int, order: int) -> tuple[Array, Array]:
    """Of both tables what was lost, where hardly a row of the first differs, as each row itself would go on.

    Every sample is told by those before it as well as can be, row by row (linear prediction); by that the samples
    before the gap go on into it, and those behind it back: (rows, twice the lost samples).
    """
    spread = np.diff(np.quantile(signals, (0.2, 0.8), axis=0), axis=0)[0]
    lost = np.flatnonzero(spread < 0.3 * np.median(spread))
    if not len(lost) or lost[0] < 2 * order or signals.shape[1] - lost[-1] < 2 * order:
        return signals[:, :1], others[:, :1]
    found = []
    for table in (signals, others):
        before = table[:, max(0, lost[0] - reach) : lost[0]]
        behind = table[:, lost[-1] + 1 : lost[-1] + 1 + reach][:, ::-1]
        sides = [[go_on(row, len(lost), order) for row in side] for side in (before, behind)]
        found.append(np.hstack([np.array(sides[0]), np.array(sides[1])[:, ::-1]]))
    return found[0], found[1]


def go_on(row: Array, steps: int, order: int) -> Array:
    """The next `steps` samples of a row by linear prediction from the `order` before each."""
    windows = np.lib.stride_tricks.sliding_window_view(row, order + 1)
    past, come = windows[:, :-1], windows[:, -1]
    normal = past.T @ past
    weights = np.linalg.solve(normal + (1e-3 * np.trace(normal) / order + 1e-12) * np.eye(order), past.T @ come)
    known = list(row[-order:])
    for _ in range(steps):
        known.append(float(np.dot(weights, known[-order:])))
    return np.array(known[order:]).clip(row.min(), row.max())


def rich_signal(signals: Array) -> Array:
    """Likeness to itself, spectrum by halves, strongest rhythms, swelling, the greatest change, and extremes."""
    flat = signals - signals.mean(axis=1, keepdims=True)
    spread = (flat**2).mean(axis=1) + 1e-12
    lags = [lag for lag in (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20) if lag < flat.shape[1] // 2]
    alike = [(flat[:, lag:] * flat[:, :-lag]).mean(axis=1) / spread for lag in lags]
    halves = np.array_split(flat, 2, axis=1)
    bands, peaks = [], []
    for part in (flat, *halves):
        power = np.abs(np.fft.rfft(part * np.hanning(part.shape[1]), n=4 * part.shape[1], axis=1)) ** 2
        power = power / (power.sum(axis=1, keepdims=True) + 1e-12)
        at = np.arange(power.shape[1]) / power.shape[1]
        best = np.maximum(at[power.argmax(axis=1)], at[1])
        peaks += [best, np.log(best), 1 / best, power @ at]
        bands += [np.log(one.sum(axis=1) + 1e-9) for one in np.array_split(power, 10, axis=1)]
    piece = max(1, flat.shape[1] // 150)
    loud = (flat**2)[:, : flat.shape[1] // piece * piece].reshape(len(flat), -1, piece).mean(axis=2)
    beat = np.abs(np.fft.rfft(loud - loud.mean(axis=1, keepdims=True), n=8 * loud.shape[1], axis=1))
    total = np.cumsum(flat, axis=1)
    crossings = (np.diff(np.sign(flat), axis=1) != 0).mean(axis=1)
    steps = np.abs(np.diff(flat, axis=1))
    tall = [(flat > level * flat.std(axis=1, keepdims=True)).mean(axis=1) for level in (1, 1.5, 2, 2.5)]
    return np.column_stack(
        [
            *alike, *bands, *peaks, beat[:, 8:].argmax(axis=1), np.abs(total).argmax(axis=1), np.abs(total).max(axis=1),
            peaks[8] - peaks[4], peaks[11] - peaks[7], crossings, steps.mean(axis=1), steps.max(axis=1), *tall,
            flat.max(axis=1), flat.min(axis=1), (flat**3).mean(axis=1) / spread**1.5,
        ]
    )  # fmt: skip
