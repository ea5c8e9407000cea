"""Runs inside the session: what the public files look like, as text. Its source is sent to the session as a cell."""

import os

import pandas as pd

MOST_CHARS = 6000
"""Beyond this the columns are only named. The threshold of AIDE's preview."""
MOST_FILES = 8
MOST_COLUMNS = 15


def preview(root: str) -> str:
    """The folders with their files and sizes, then every table with its columns."""
    full = _overview(root, detailed=True)
    return full if len(full) <= MOST_CHARS else _overview(root, detailed=False)


def _overview(root: str, detailed: bool) -> str:
    lines, tables = [], []
    for folder, folders, names in os.walk(root):
        folders.sort()
        depth = os.path.relpath(folder, root).count(os.sep) + (folder != root)
        lines.append(f"{'  ' * depth}{os.path.basename(folder)}/")
        most = MOST_FILES if len(names) <= 30 else MOST_FILES // 2
        for name in sorted(names)[:most]:
            lines.append(f"{'  ' * (depth + 1)}{name} ({_size(os.path.join(folder, name))})")
        if len(names) > most:
            lines.append(f"{'  ' * (depth + 1)}and {len(names) - most} more files")
        tables += [os.path.join(folder, name) for name in sorted(names)[:most] if name.endswith(".csv")]
    return "\n\n".join(["\n".join(lines), *(_table(path, detailed) for path in tables)])


def _size(path: str) -> str:
    if path.endswith((".csv", ".txt", ".md", ".json", ".tsv")):
        with open(path, "rb") as stream:
            return f"{sum(1 for _ in stream)} lines"
    return f"{os.path.getsize(path)} bytes"


def _table(path: str, detailed: bool) -> str:
    table = pd.read_csv(path)
    head = f"{path}: {len(table)} rows, {table.shape[1]} columns."
    if not detailed:
        more = f" and {table.shape[1] - MOST_COLUMNS} more" if table.shape[1] > MOST_COLUMNS else ""
        return f"{head} Columns: {', '.join(map(str, table.columns[:MOST_COLUMNS]))}{more}"
    return "\n".join([head, *(f"- {_column(str(name), table[name])}" for name in table.columns)])


def _column(name: str, column: "pd.Series[object]") -> str:
    values, missing = column.nunique(), int(column.isna().sum())
    gaps = f", {missing} missing" if missing else ""
    if values < 10:
        return f"{name} ({column.dtype}): {values} values, {[str(one)[:60] for one in column.dropna().unique()]}{gaps}"
    if pd.api.types.is_numeric_dtype(column):
        return f"{name} ({column.dtype}): from {column.min():.4g} to {column.max():.4g}{gaps}"
    common = [str(one)[:60] for one in column.value_counts().head(4).index]
    return f"{name} ({column.dtype}): {values} values, such as {common}{gaps}"
