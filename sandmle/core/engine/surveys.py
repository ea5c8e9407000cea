"""How strongly each sandbox holds on this machine, by attacks made now, and what remains open, in words."""

from collections.abc import Awaitable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Protocol, runtime_checkable

from sandmle.core.contracts.sandbox import SandboxSession
from sandmle.core.engine.doctor import trial_of, verdict_on
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import SandmleError
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.sandbox import SandboxLimits

UNPROBED: Final = (
    "faults of the kernel itself and of the processor (side channels)",
    "processor time and disk bandwidth, which sessions share until their deadline",
    "kernel memory behind pipes and sockets, where no cgroup counts it",
)
"""What no attack from inside can show to be closed."""


class ProbeVerdict(Protocol):
    """How one attack ended."""

    @property
    def name(self) -> str: ...
    @property
    def held(self) -> bool: ...
    @property
    def detail(self) -> str:
        """What is open, in words, or what the attacker saw."""
        ...


@runtime_checkable
class Surveyed(Protocol):
    """A sandbox that has attacks of its own to show what it holds; optional for a backend."""

    def survey(self, session: SandboxSession) -> Awaitable[Sequence[ProbeVerdict]]:
        """Attack from inside `session`, harmlessly, one verdict each."""
        ...


@runtime_checkable
class _Walled(Protocol):
    walls: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One attack and how it ended."""

    name: str
    held: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What one sandbox gives on this machine."""

    sandbox: str
    verdict: Literal["ok", "absent", "failed"]
    """`absent` is an optional part that is not installed: no failure."""
    detail: str = ""
    """Why there is nothing more, where it could not be started."""
    level: str = ""
    walls: str = ""
    """What the level is made of, where the backend says so."""
    probes: tuple[Probe, ...] = ()
    open: tuple[str, ...] = ()
    """What remains open, in words: found open just now, and what cannot be probed."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def as_text(self) -> str:
        """Several lines for a person."""
        if self.verdict != "ok":
            return f"{self.sandbox}: {self.verdict}: {self.detail}"
        held = sum(probe.held for probe in self.probes)
        walls = f" ({self.walls})" if self.walls else ""
        lines = [f"{self.sandbox}: isolation {self.level}{walls}; {held} of {len(self.probes)} attacks were held"]
        lines += [self.detail] if self.detail else []
        return "\n".join([*lines, "  what remains open:", *(f"  - {one}" for one in self.open)])


async def survey_sandboxes(toolkit: Toolkit) -> list[Survey]:
    """Start every registered sandbox as it is configured, attack from inside, and stop it again."""
    return [await _survey(toolkit, name) for name in toolkit.registry.names(Kind.SANDBOX)]


async def _survey(toolkit: Toolkit, name: str) -> Survey:
    try:
        async with trial_of(toolkit, name) as sandbox:
            async with sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
                probes = await _probes(sandbox, session)
            return Survey(
                sandbox=name,
                verdict="ok",
                detail="" if probes else "it has no attacks of its own to show more than its level",
                level=sandbox.level.value,
                walls=sandbox.walls if isinstance(sandbox, _Walled) else "",
                probes=probes,
                open=(*(f"{probe.name}: {probe.detail}" for probe in probes if not probe.held), *UNPROBED),
            )
    except SandmleError as problem:
        return Survey(sandbox=name, verdict=verdict_on(problem), detail=str(problem))


async def _probes(sandbox: object, session: SandboxSession) -> tuple[Probe, ...]:
    if not isinstance(sandbox, Surveyed):
        return ()
    verdicts = await sandbox.survey(session)
    return tuple(Probe(name=one.name, held=one.held, detail=one.detail) for one in verdicts)
