"""Richer views of a table: what a hidden rule may be made of."""

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
DATE_PARTS = {"month": 12.0, "dayofweek": 7.0, "dayofyear": 365.25, "hour": 24.0}


def open_dates(column: "pd.Series[str]", name: str) -> tuple[pd.DataFrame, dict[str, float]]:
    """A date as month, weekday, day of the year, hour and days passed, with the periods of what goes round."""
    when = pd.to_datetime(column, errors="coerce", format="mixed")
    parts = {f"{name} {part}": getattr(when.dt, part).astype(float) for part in DATE_PARTS}
    periods = {f"{name} {part}": period for part, period in DATE_PARTS.items()}
    passed = (when - when.min()).dt.total_seconds() / 86400
    weekday = when.dt.dayofweek.map(lambda day: f"day {day}")
    return pd.DataFrame({**parts, f"{name} passed": passed, f"{name} weekday": weekday}), periods


def open_codes(column: "pd.Series[str]", name: str) -> pd.DataFrame:
    """A code's runs of letters and of digits as columns of their own; digits as numbers too."""
    pieces = column.fillna("").astype(str).map(lambda cell: re.findall(r"[A-Za-z]+|[0-9]+", cell)[:6])
    found: dict[str, object] = {}
    for at in range(int(pieces.map(len).max())):
        piece = pieces.map(lambda parts, at=at: parts[at] if at < len(parts) else "")
        if piece.str.fullmatch(r"[0-9]+").mean() > 0.9:
            found[f"{name} number {at}"] = pd.to_numeric(piece, errors="coerce")
        if piece.nunique() <= 40:
            found[f"{name} part {at}"] = piece.map(lambda part: f"is {part}")
    return pd.DataFrame(found)


def open_strings(
    train: pd.DataFrame, test: pd.DataFrame, leave_out: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, float]]:
    """Both tables with dates and codes taken apart and numbers of few levels named too, and periods found."""
    both = pd.concat([train, test], ignore_index=True)
    added, periods = [], {}
    for name in [one for one in test.columns if one in train.columns and one not in leave_out]:
        if pd.api.types.is_numeric_dtype(train[name]):
            if 2 < train[name].nunique() <= 8:
                added.append(pd.DataFrame({f"{name} level": both[name].map(lambda level: f"level {level}")}))
        elif both[name].dropna().astype(str).str.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").mean() > 0.9:
            dates, found = open_dates(both[name], name)
            added.append(dates)
            periods.update(found)
        elif both[name].astype(str).str.contains(r"[0-9]").mean() > 0.5:
            added.append(open_codes(both[name], name))
    whole = pd.concat([both, *added], axis=1)
    return whole.iloc[: len(train)].reset_index(drop=True), whole.iloc[len(train) :].reset_index(drop=True), periods


def waves(filled: pd.DataFrame, periods: dict[str, float]) -> dict[str, object]:
    """First and second waves of what goes round, and how far two columns of one period stand apart."""
    angles = {name: 2 * np.pi * filled[name] / period for name, period in periods.items() if name in filled}
    found: dict[str, object] = {}
    for name, angle in angles.items():
        for times in (1, 2):
            found[f"sin {times} {name}"] = np.sin(times * angle)
            found[f"cos {times} {name}"] = np.cos(times * angle)
    names = list(angles)
    for at, a in enumerate(names):
        for b in names[at + 1 :]:
            if periods[a] == periods[b]:
                found[f"cos {a} - {b}"] = np.cos(angles[a] - angles[b])
                found[f"sin {a} - {b}"] = np.sin(angles[a] - angles[b])
    return found


def rich_features(
    train: pd.DataFrame, test: pd.DataFrame, numeric: list[str], periods: dict[str, float]
) -> tuple[Array, Array]:
    """Squares, logarithms, products, ratios, waves and missing flags, scaled: (rows, features) of each table."""
    both = pd.concat([train[numeric], test[numeric]], ignore_index=True).astype(float)
    both = both.replace([np.inf, -np.inf], np.nan)
    filled = both.fillna(both.median()).fillna(0.0)
    # Medians and quartiles, since single values can be off by a factor of a thousand.
    spread = (filled.quantile(0.75) - filled.quantile(0.25)).replace(0, np.nan).fillna(filled.std()).replace(0, 1)
    scaled = (1.35 * (filled - filled.median()) / spread).clip(-5, 5)
    blocks: dict[str, object] = {
        f"missing {name}": both[name].isna() * 1.0 for name in numeric if both[name].isna().any()
    }
    for name in numeric:
        blocks[f"{name}^2"] = scaled[name] ** 2
        blocks[f"log {name}"] = np.sign(filled[name]) * np.log1p(np.abs(filled[name]))
        blocks[f"|{name}|"] = scaled[name].abs()
    blocks.update(waves(filled, periods))
    few = numeric[:10]
    for a, b in [(a, b) for at, a in enumerate(few) for b in few[at + 1 :]]:
        blocks[f"{a} * {b}"] = scaled[a] * scaled[b]
        blocks[f"max {a} {b}"] = np.maximum(scaled[a], scaled[b])
        if (filled[[a, b]] > 0).all(axis=None):
            blocks[f"{a} / {b}"] = np.log(filled[a] / filled[b])
    whole = pd.DataFrame(blocks)
    whole = ((whole - whole.mean()) / whole.std().replace(0, 1)).fillna(0.0).clip(-5, 5)
    table = np.hstack([scaled.to_numpy(float), whole.to_numpy(float)])
    return table[: len(train)], table[len(train) :]
