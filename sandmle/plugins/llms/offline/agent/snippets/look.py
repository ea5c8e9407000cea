"""A first look: files, columns, the sample submission and a picture."""

import json
import os

import pandas as pd


def count_files(root: str) -> dict[str, int]:
    """Files per folder below `root`."""
    return {os.path.relpath(folder, root): len(names) for folder, _, names in os.walk(root)}


def describe_column(name: str, column: "pd.Series[object]", in_test: bool) -> dict[str, object]:
    """What there is to know about one column in one line."""
    text = not pd.api.types.is_numeric_dtype(column)
    facts: dict[str, object] = {
        "name": name,
        "kind": "text" if text else "number",
        "unique": int(column.nunique()),
        "missing": round(float(column.isna().mean()), 3),
        "in_test": in_test,
    }
    if text:
        facts["words"] = round(float(column.dropna().astype(str).str.split().str.len().mean()), 1)
        facts["example"] = str(column.dropna().iloc[0])[:40] if column.notna().any() else ""
    else:
        facts["min"], facts["max"] = round(float(column.min()), 4), round(float(column.max()), 4)
    return facts


def look() -> None:
    """Print everything that decides how to go on."""
    train, test = pd.read_csv("data/train.csv"), pd.read_csv("data/test.csv")
    sample = pd.read_csv("data/sample_submission.csv")
    print("FILES", json.dumps(count_files("data")))
    print("ROWS", json.dumps({"train": len(train), "test": len(test)}))
    print("SAMPLE", json.dumps({"columns": list(sample.columns), "first": sample.iloc[0].astype(str).tolist()}))
    for name in train.columns[:60]:
        print("COLUMN", json.dumps(describe_column(name, train[name], name in test.columns)))
    for name in [name for name in train.columns if name not in test.columns]:
        counts = train[name].value_counts().head(8)
        print("TARGET", json.dumps({"name": name, "top": {str(key): int(n) for key, n in counts.items()}}))
