"""Who watches a training in this process, and may ask it to stop."""

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sandmle.core.engine.announcing import Announcer, announcing
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.hooks.events import TrainStepFinished
from sandmle.core.hooks.registry import Kind

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Of one training."""

    drain: asyncio.Event
    """Once set, what is under way is finished and nothing new is begun."""
    tell: Tell
    """A line for a person."""
    announcer: Announcer
    run_id: str
    steps: int
    """That the training will have when complete."""

    def announce(self, kind: Literal["step", "evaluation"], line: Mapping[str, Any]) -> None:
        """Tell plugins and trackers of a line that has been recorded."""
        figures = {name: value for name, value in _figures(line) if name != "step"}
        self.announcer.emit(
            TrainStepFinished(run_id=self.run_id, kind=kind, step=line["step"], steps=self.steps, figures=figures)
        )


@contextmanager
def surrounded(toolkit: Toolkit, out: Path, steps: int, *, drain: asyncio.Event, tell: Tell) -> Iterator[Surroundings]:
    """Open the configured trackers for a training of so many steps into `out`; they are closed in the end.

    Raises:
        ConfigError: a tracker cannot be made.
    """
    trackers = {name: toolkit.make(Kind.TRACKER, name) for name in toolkit.settings.run.trackers}
    # What is announced stands in the training's own logs already.
    with announcing(toolkit, lambda event: None, trackers) as announcer:
        yield Surroundings(drain=drain, tell=tell, announcer=announcer, run_id=out.name, steps=steps)


def _figures(line: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """Its finite numbers, those of a section under `section/name`."""
    for name, value in line.items():
        if isinstance(value, Mapping):
            yield from _figures(value, f"{above}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield f"{above}{name}", float(value)
