"""Kernels that were started ahead, for whoever asks next for one of their kind."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.isolation import Plan
from sandmle.plugins.sandboxes.jupyter.kernel import Kernel

_KINDS_KEPT: Final = 2
"""Kinds of kernels, those asked for last, of which some are kept: an idle kernel holds tens of MiB."""

Kind = tuple[Plan, SandboxLimits, Path | None, tuple[int, ...]]
"""What cannot be changed in a kernel that runs, and which directory it was that it shows."""
Start = Callable[[Plan, SandboxLimits, Path | None], Awaitable[Kernel]]


class ReadyKernels:
    """A few kernels of each kind that was asked for lately; none that is dead is handed out."""

    def __init__(self, each: int, start: Start) -> None:
        self._each = each
        self._start = start
        self._kept: OrderedDict[Kind, list[Kernel]] = OrderedDict()
        self._over: list[Kernel] = []
        """Dead, or of a kind that is not kept any more: still to be closed."""
        self._filling: asyncio.Task[None] | None = None
        self._is_closed = False

    async def take(self, plan: Plan, limits: SandboxLimits, public_dir: Path | None) -> Kernel:
        """A kernel that runs cells; the next one of its kind is started meanwhile.

        Raises:
            SandboxError: there is none to be had.
        """
        kind = (plan, limits, public_dir, _identity(public_dir))
        kept = self._kept.setdefault(kind, [])
        self._kept.move_to_end(kind)
        dead = [kernel for kernel in kept if not kernel.is_alive or kernel.is_orphan]
        kept[:] = [kernel for kernel in kept if kernel not in dead]
        self._over += dead
        try:
            return kept.pop(0) if kept else await self._start(plan, limits, public_dir)
        finally:
            if self._each and not self._is_closed and (self._filling is None or self._filling.done()):
                self._filling = asyncio.create_task(self._fill())

    async def close(self) -> None:
        """End those that nobody took."""
        self._is_closed = True
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait({self._filling})
        self._over += [kernel for kept in self._kept.values() for kernel in kept]
        self._kept.clear()
        await self._close_over()

    async def _fill(self) -> None:
        """Start what is lacking, and end kernels of kinds that nobody asks for any more."""
        while len(self._kept) > _KINDS_KEPT:
            self._over += self._kept.popitem(last=False)[1]
        await self._close_over()
        # Whoever asks next meets the same problem, and is told.
        with contextlib.suppress(SandboxError):
            while (kind := self._wanted()) is not None:
                kernel = await self._start(*kind[:3])
                self._kept.get(kind, self._over).append(kernel)
        await self._close_over()

    async def _close_over(self) -> None:
        for kernel in list(self._over):
            await kernel.close()
            self._over.remove(kernel)

    def _wanted(self) -> Kind | None:
        """The newest kind of which there are too few."""
        kinds = list(self._kept)[-_KINDS_KEPT:]
        return next((kind for kind in reversed(kinds) if len(self._kept[kind]) < self._each), None)


def _identity(public_dir: Path | None) -> tuple[int, ...]:
    """Tells a directory from one made anew under the same name."""
    if public_dir is None:
        return ()
    found = public_dir.stat()
    return found.st_dev, found.st_ino, found.st_ctime_ns
