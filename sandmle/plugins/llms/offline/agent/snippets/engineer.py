"""Richer views of numeric columns: what a hidden rule may be made of."""

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]


def rich_features(
    train: pd.DataFrame, test: pd.DataFrame, numeric: list[str], periods: dict[str, float]
) -> tuple[Array, Array]:
    """Squares, logarithms, products, ratios, waves and missing flags, scaled: (rows, features) of each table."""
    both = pd.concat([train[numeric], test[numeric]], ignore_index=True).astype(float)
    both = both.replace([np.inf, -np.inf], np.nan)
    filled = both.fillna(both.median()).fillna(0.0)
    scaled = (filled - filled.mean()) / filled.std().replace(0, 1)
    blocks: dict[str, object] = {
        f"missing {name}": both[name].isna() * 1.0 for name in numeric if both[name].isna().any()
    }
    for name in numeric:
        blocks[f"{name}^2"] = scaled[name] ** 2
        blocks[f"log {name}"] = np.sign(filled[name]) * np.log1p(np.abs(filled[name]))
        blocks[f"|{name}|"] = scaled[name].abs()
        if name in periods:
            blocks[f"sin {name}"] = np.sin(2 * np.pi * filled[name] / periods[name])
            blocks[f"cos {name}"] = np.cos(2 * np.pi * filled[name] / periods[name])
            blocks[f"sin 2 {name}"] = np.sin(4 * np.pi * filled[name] / periods[name])
            blocks[f"cos 2 {name}"] = np.cos(4 * np.pi * filled[name] / periods[name])
    pairs = [(a, b) for at, a in enumerate(numeric[:12]) for b in numeric[at + 1 : 12]]
    for a, b in pairs:
        blocks[f"{a} * {b}"] = scaled[a] * scaled[b]
        blocks[f"max {a} {b}"] = np.maximum(scaled[a], scaled[b])
        if (filled[[a, b]] > 0).all(axis=None):
            blocks[f"{a} / {b}"] = np.log(filled[a] / filled[b])
    whole = pd.DataFrame(blocks)
    whole = ((whole - whole.mean()) / whole.std().replace(0, 1)).fillna(0.0).clip(-6, 6)
    table = np.hstack([scaled.to_numpy(float), whole.to_numpy(float)])
    return table[: len(train)], table[len(train) :]
