"""Tells of each event: a record, the plugins, the trackers. None of the latter two can stop a run."""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout

from sandmle.core.contracts.tracker import Tracker
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import SandmleError, StoreError, boundary
from sandmle.core.hooks.events import Event

log = logging.getLogger(__name__)


class Announcer:
    """Where all events of one run pass."""

    def __init__(self, toolkit: Toolkit, record: Callable[[Event], None], trackers: Mapping[str, Tracker]) -> None:
        self._toolkit = toolkit
        self._record = record
        self._trackers = trackers

    def emit(self, event: Event) -> None:
        self._record(event)
        self._toolkit.plugins.emit(event)
        for name, tracker in self._trackers.items():
            with _only_logged(f"tracker {name!r} failed on {type(event).__name__}"):
                tracker.record(event)

    def close(self) -> None:
        for name, tracker in self._trackers.items():
            with _only_logged(f"tracker {name!r} failed to close"):
                tracker.close()


@contextmanager
def announcing(
    toolkit: Toolkit, record: Callable[[Event], None], trackers: Mapping[str, Tracker]
) -> Iterator[Announcer]:
    """Announce events of one run; the trackers are closed in the end.

    Args:
        toolkit: whose plugins are told.
        record: writes an event to the run's own records; what it raises passes.
        trackers: by name, made for this run.
    """
    announcer = Announcer(toolkit, record, trackers)
    try:
        yield announcer
    finally:
        announcer.close()


@contextmanager
def _only_logged(what: str) -> Iterator[None]:
    try:
        # Stdout belongs to the program's one document.
        with redirect_stdout(sys.stderr), boundary(StoreError, what):
            yield
    except SandmleError as problem:
        log.warning("%s", problem, exc_info=problem)
    except SystemExit as problem:
        log.warning("%s: it tried to end the program", what, exc_info=problem)
