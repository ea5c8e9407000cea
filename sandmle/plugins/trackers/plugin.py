"""Registers the built-in trackers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.registry import NoConfig, Spec

if TYPE_CHECKING:
    from sandmle.core.contracts.tracker import Tracker


@hookimpl
def sandmle_register_trackers() -> "Sequence[Spec[Tracker]]":
    from sandmle.plugins.trackers.files import FileConfig

    return [
        Spec(name="progress", summary="how far the run is, on stderr", make=_make_progress, config=NoConfig),
        Spec(name="jsonl", summary="every event as a line of a JSON Lines file", make=_make_jsonl, config=FileConfig),
        Spec(name="csv", summary="one row per episode in a CSV file", make=_make_csv, config=FileConfig),
    ]


def _make_progress(config: BaseModel) -> "Tracker":
    from sandmle.plugins.trackers.progress import ProgressTracker

    return ProgressTracker()


def _make_jsonl(config: Any) -> "Tracker":
    from sandmle.plugins.trackers.files import JsonlTracker

    return JsonlTracker(config.path)


def _make_csv(config: Any) -> "Tracker":
    from sandmle.plugins.trackers.files import CsvTracker

    return CsvTracker(config.path)
