"""`progress`: a bar on stderr for a person, plain lines where stderr is not a terminal."""

import sys
import time
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from sandmle.core.hooks.events import (
    BudgetReached,
    DraftFinished,
    EpisodeFinished,
    InfrastructureFailed,
    RunFinished,
    RunStarted,
)

PLAIN_INTERVAL_S = 2.0
"""Seconds between two plain lines, so that a log of a long run stays readable."""


class ProgressTracker:
    """Shows how far a run or a synthesis is."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._console = Console(file=self._stream)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._done = 0
        self._total = 0
        self._medals: dict[str, int] = {}
        self._last_line_at = float("-inf")

    def record(self, event: object) -> None:
        match event:
            case RunStarted():
                self._done, self._total = event.done, event.episodes
                self._show("episodes", force=True)
            case EpisodeFinished():
                self._done += 1
                word = event.medal if event.outcome == "scored" else event.outcome
                self._medals[word] = self._medals.get(word, 0) + 1
                self._show("episodes")
            case InfrastructureFailed():
                self._console.print(
                    f"{event.task_id}/{event.slot}: infrastructure failed (attempt {event.attempt}): {event.error}",
                    markup=False,
                    highlight=False,
                )
            case BudgetReached():
                self._console.print(event.problem, markup=False, highlight=False)
            case DraftFinished():
                self._done, self._total = event.accepted, event.wanted
                if event.check:
                    self._medals["rejected"] = self._medals.get("rejected", 0) + 1
                self._show("tasks")
            case RunFinished() if self._done < self._total:
                self._show("episodes", force=True)
            case _:
                pass

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _show(self, noun: str, *, force: bool = False) -> None:
        counts = " ".join(f"{word} {count}" for word, count in sorted(self._medals.items()))
        if self._console.is_terminal:
            self._draw(noun, counts)
            return
        now = time.monotonic()
        if force or self._done >= self._total or now - self._last_line_at >= PLAIN_INTERVAL_S:
            self._last_line_at = now
            self._stream.write(f"{self._done}/{self._total} {noun}  {counts}".rstrip() + "\n")
            self._stream.flush()

    def _draw(self, noun: str, counts: str) -> None:
        if self._bar is None:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[counts]}"),
            )
            self._bar = Progress(*columns, console=self._console)
            self._task = self._bar.add_task(noun, total=self._total, counts=counts)
            self._bar.start()
        if self._task is not None:
            self._bar.update(self._task, completed=self._done, total=self._total, description=noun, counts=counts)
