"""Seeds of a user's own files.

What leaves the machine is a handful of measured figures: no row, no name of a column, a class or a file, and no word
of a description.
"""

import csv
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from sandmle.core.engine.file_trees import read_regular
from sandmle.core.errors import PluginError, TaskError
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.synthesis import Seed
from sandmle.plugins.seeds.measure import FEW_VALUES, table_dna
from sandmle.plugins.seeds.outside.arff import read_arff
from sandmle.plugins.seeds.outside.config import FolderConfig
from sandmle.plugins.seeds.owndata.reading import Table, Wish, read_header, read_table
from sandmle.plugins.seeds.realdata.columns import encode_columns, is_missing, number_of

MAX_DESCRIPTION_BYTES: Final = 2**20
MOST_ROWS: Final = 5000
"""Rows that are measured, evenly spaced; figures would not change much with more."""
_ARFF: Final = ".arff"
_CLASS_NAMES: Final = ("class", "target", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSeeds:
    """The sources `folder` (CSV files) and `arff`."""

    config: FolderConfig
    suffix: str
    """Of the files that are read, such as `.csv`."""

    def seeds(self) -> Sequence[Seed]:
        """Measure every file.

        Raises:
            PluginError: there is none, or one cannot be measured; the message stays on this machine.
        """
        try:
            return [_seed(path, self._table(path)) for path in self._files()]
        except TaskError as problem:
            raise PluginError(f"{problem}; mend the file, or name others in plugin.seeds") from problem

    def _files(self) -> list[Path]:
        path = self.config.path
        if path.is_file():
            return [path]
        if not path.is_dir():
            raise TaskError(f"{path} is no folder and no file")
        found = sorted(one for one in path.glob("*") if one.suffix.lower() == self.suffix and one.is_file())
        if not found:
            raise TaskError(f"{path} holds no {self.suffix} file")
        return found

    def _table(self, path: Path) -> Table:
        described = _description(path)
        header = _header(path)
        wish = Wish(
            target=self.config.target or _target_told(described, header) or None,
            metric=self.config.metric or next((name for name in METRICS if _says(described, name)), None),
        )
        return _arff_table(path, wish) if path.suffix.lower() == _ARFF else read_table(path, wish)


def _seed(path: Path, table: Table) -> Seed:
    step = max(1, len(table.rows) // MOST_ROWS)
    rows, target = table.rows[::step], np.array(table.target[::step])
    encoded, _ = encode_columns(rows, rows[:1])
    values = target.astype(float) if table.task_type == "regression" else target
    numbered = values if table.task_type == "regression" else np.unique(values, return_inverse=True)[1]
    figures = {**table_dna(encoded, numbered, table.task_type), "rows": len(table.rows), **_kinds_of_columns(rows)}
    # A table may be there in both forms, which are two seeds.
    name = path.name if path.suffix.lower() == _ARFF else path.stem
    return Seed(
        seed_id=f"own-{sha256(name.encode()).hexdigest()[:8]}",
        title=f"A table of the user's own, for {table.task_type}",
        modality="tabular",
        task_type=table.task_type,
        metric=table.metric,
        dna=figures,
        source="measured on this machine; the data stays there",
    )


def _kinds_of_columns(rows: Sequence[Sequence[str]]) -> dict[str, int]:
    """Counts of the columns as they stand in the file, where words are one column and not one for each word."""
    told = [{cell.strip() for cell in column if not is_missing(cell)} for column in zip(*rows, strict=True)]
    categorical = sum(len(cells) <= FEW_VALUES or None in map(number_of, cells) for cells in told)
    return {
        "columns": len(told),
        "numeric_columns": len(told) - categorical,
        "categorical_columns": categorical,
        "median_cardinality": int(median(map(len, told))),
    }


def _description(path: Path) -> str:
    for name in (f"{path.stem}.md", f"{path.stem}.txt", "description.md"):
        try:
            return read_regular(path.with_name(name), MAX_DESCRIPTION_BYTES).decode("utf-8", "replace")
        except FileNotFoundError:
            continue
    return ""


def _header(path: Path) -> list[str]:
    if path.suffix.lower() == _ARFF:
        return [one.name for one in read_arff(path).attributes]
    return read_header(path)


def _target_told(description: str, header: Sequence[str]) -> str:
    """The column that a description says is to be predicted: `target: NAME`, or `predict NAME`."""
    for name in sorted(filter(None, header), key=len, reverse=True):
        if re.search(
            rf"\b(?:target|predict(?:s|ed|ing)?)\b[^A-Za-z0-9\n]{{0,12}}{re.escape(name)}\b", description, re.I
        ):
            return name
    return ""


def _says(description: str, name: str) -> bool:
    return re.search(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", description) is not None


def _arff_table(path: Path, wish: Wish) -> Table:
    arff = read_arff(path)
    names = [one.name for one in arff.attributes]
    known = {name.lower(): name for name in names}
    # By OpenML's habit the class stands last, or is called so.
    target = wish.target or next((known[name] for name in _CLASS_NAMES if name in known), names[-1])
    with tempfile.TemporaryDirectory(prefix="sandmle-arff-") as folder:
        copy = Path(folder) / f"{path.stem}.csv"
        with copy.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([names, *arff.rows])
        try:
            return read_table(copy, Wish(target=target, metric=wish.metric))
        except TaskError as problem:
            raise TaskError(str(problem).replace(str(copy), str(path))) from problem
