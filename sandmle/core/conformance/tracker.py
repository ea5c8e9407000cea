"""The checks that every `Tracker` has to pass. Shipped to plugin authors."""

import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Final

from sandmle.core.conformance.shape import check_shape
from sandmle.core.contracts.tracker import Tracker
from sandmle.core.errors import PluginError, boundary
from sandmle.core.hooks.events import (
    DraftFinished,
    EpisodeFinished,
    Event,
    InfrastructureFailed,
    RunFinished,
    RunStarted,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnheardOf(Event):
    """An event that no tracker knows: later versions bring some."""

    number: int


EVENTS: Final[tuple[Event, ...]] = (
    RunStarted(run_id="run", episodes=3, done=0),
    EpisodeFinished(
        run_id="run", task_id="sample-orchard", slot=0, outcome="scored", medal="gold", reward=1.0, wall_s=2.5
    ),
    InfrastructureFailed(
        run_id="run", task_id="sample-orchard", slot=1, attempt=1, error="SandboxError: gone", after="run_code"
    ),
    UnheardOf(number=1),
    EpisodeFinished(
        run_id="run", task_id="sample-orchard", slot=1, outcome="infrastructure", medal="none", reward=None, wall_s=0.0
    ),
    DraftFinished(index=0, task_id=None, check="leak-probe", detail="leaks\n\u202e", accepted=0, wanted=4),
    RunFinished(run_id="run", episodes=3, infrastructure=1),
)
"""One run's events, every kind among them, and one that no tracker knows."""


def check_tracker(tracker: Tracker, what: str = "the tracker") -> None:
    """Tell a tracker of every kind of event, and close it twice.

    Args:
        tracker: freshly made; it is closed afterwards.
        what: names it in messages.

    Raises:
        PluginError: it breaks a promise of the contract; the message says which.
    """
    check_shape(tracker, Tracker, what)
    with redirect_stdout(io.StringIO()) as printed:
        for event in EVENTS:
            with boundary(PluginError, f"{what} failed on {type(event).__name__}"):
                tracker.record(event)
        with boundary(PluginError, f"{what} failed to close"):
            tracker.close()
        with boundary(PluginError, f"{what} failed when it was closed a second time, which must do nothing"):
            tracker.close()
    if printed.getvalue():
        raise PluginError(
            f"{what} prints on stdout, where the program's one JSON document goes; write to a file or to stderr"
        )
