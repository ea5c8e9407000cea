"""The checks that every `Trainer` has to pass. Shipped to plugin authors."""

import asyncio
from pathlib import Path
from typing import Any, Final

from sandmle.core.conformance.shape import check_shape
from sandmle.core.contracts.trainer import Trainer
from sandmle.core.errors import InfrastructureError, PluginError, UsageError, boundary

DRAIN_DEADLINE_S: Final = 60.0
"""A trainer that was asked to drain before it began has nothing under way to finish."""


async def check_trainer(trainer: Trainer, toolkit: Any, tasks: Path, out: Path, what: str = "the trainer") -> None:
    """Have a trainer refuse an empty folder, stop before it begins, train, and resume what is finished.

    Args:
        trainer: made once as for a training, configured to train as little as it can.
        toolkit: the `Toolkit` it plays episodes with.
        tasks: folder of task directories, one or two.
        out: a new directory to work in.
        what: names the trainer in messages.

    Raises:
        PluginError: it breaks a promise of the contract; the message says which.
        InfrastructureError: the machinery failed.
    """
    check_shape(trainer, Trainer, what)
    empty = out / "no-tasks"
    empty.mkdir(parents=True)
    await _refuses(trainer, toolkit, empty, out / "refused", what)
    await _drains(trainer, toolkit, tasks, out / "drained", what)
    trained = out / "trained"
    await _train(trainer, toolkit, tasks, trained, what, "training")
    made = _files(trained)
    if not made:
        raise PluginError(f"{what} left nothing in its output directory; write checkpoints and records there")
    await _train(trainer, toolkit, tasks, trained, what, "resuming a training that was finished")
    gone = sorted(name for name in made if name not in _files(trained))
    if gone:
        raise PluginError(f"{what} removed {gone[0]} when it was called again; the same call resumes")


async def _refuses(trainer: Trainer, toolkit: Any, tasks: Path, out: Path, what: str) -> None:
    try:
        with boundary(PluginError, f"{what} failed on a folder without tasks, which it must refuse by a UsageError"):
            await trainer.train(toolkit, tasks, out, asyncio.Event())
    except UsageError:
        return
    raise PluginError(f"{what} trained on a folder without tasks; refuse it by a UsageError")


async def _drains(trainer: Trainer, toolkit: Any, tasks: Path, out: Path, what: str) -> None:
    drain = asyncio.Event()
    drain.set()
    try:
        async with asyncio.timeout(DRAIN_DEADLINE_S):
            with boundary(PluginError, f"{what} failed when it was to drain before it began"):
                await trainer.train(toolkit, tasks, out, drain)
    except TimeoutError as problem:
        raise PluginError(
            f"{what} went on for {DRAIN_DEADLINE_S:g} s although it was to drain before it began; "
            "look at the event before each piece of work"
        ) from problem


async def _train(trainer: Trainer, toolkit: Any, tasks: Path, out: Path, what: str, doing: str) -> None:
    try:
        with boundary(PluginError, f"{what} failed {doing}"):
            returned: object = await _called(trainer, toolkit, tasks, out)
    except InfrastructureError:
        raise
    except UsageError as problem:
        raise PluginError(f"{what} refused {doing}: {problem}") from problem
    if returned is not None:
        raise PluginError(f"{what}: train() returned a {type(returned).__name__}; what it made belongs into `out`")


async def _called(trainer: Any, toolkit: Any, tasks: Path, out: Path) -> object:
    returned: object = await trainer.train(toolkit, tasks, out, asyncio.Event())
    return returned


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
