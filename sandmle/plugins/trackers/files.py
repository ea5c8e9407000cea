"""`jsonl` and `csv`: events as lines of a file, for plotting while a run goes on."""

import csv
import json
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from pydantic import BaseModel, ConfigDict

from sandmle.core.engine.summary import json_ready
from sandmle.core.errors import ConfigError
from sandmle.core.hooks.events import EpisodeFinished, Event


class FileConfig(BaseModel):
    """`[plugin.tracker.jsonl]` and `[plugin.tracker.csv]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    """Appended to, so that a resumed run goes on in the same file."""


class JsonlTracker:
    """Every event as one JSON object per line: `event`, `at` (ISO 8601, UTC) and the event's own fields.

    A number that is none, such as the loss of a training that went astray, is null.
    """

    def __init__(self, path: Path) -> None:
        self._file = _open(path)

    def record(self, event: object) -> None:
        if isinstance(event, Event):
            line = {"event": type(event).__name__, "at": datetime.now(UTC).isoformat(), **asdict(event)}
            self._file.write(json.dumps(json_ready(line), allow_nan=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        self._file.close()


class CsvTracker:
    """One row per finished episode, with a header when the file is new."""

    def __init__(self, path: Path) -> None:
        self._file = _open(path)
        self._writer = csv.writer(self._file, lineterminator="\n")
        if path.stat().st_size == 0:
            self._writer.writerow(["at", *(field.name for field in fields(EpisodeFinished))])

    def record(self, event: object) -> None:
        if isinstance(event, EpisodeFinished):
            self._writer.writerow([datetime.now(UTC).isoformat(), *asdict(event).values()])
            self._file.flush()

    def close(self) -> None:
        self._file.close()


def _open(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8", newline="")
    except OSError as problem:
        raise ConfigError(f"the tracker cannot write {path}: {problem.strerror}; set another path") from problem
