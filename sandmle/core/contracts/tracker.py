"""Records what happens while a run goes on."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Tracker(Protocol):
    """Told of every event of one run, in order, then closed."""

    def record(self, event: object) -> None:
        """Take note of one event of `core.hooks.events`. Failing here is logged and stops nothing."""
        ...

    def close(self) -> None:
        """Write out what is left. Idempotent."""
        ...
