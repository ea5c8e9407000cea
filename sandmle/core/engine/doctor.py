"""Looks at this machine and says what works, what does not, and what to do about it."""

import sys
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.engine.crews import CLOSE_DEADLINE_S
from sandmle.core.engine.deadlines import deadline, see_through
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import SandboxError, SandmleError
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.sandbox import CellStatus, SandboxLimits

EXTRAS = {
    "jupyter": ("jupyter_client", "ipykernel"),
    "docker": ("docker",),
    "train": ("torch", "transformers", "peft"),
    "ray": ("ray",),
    "openrlhf": ("openrlhf",),
    "parquet": ("pyarrow",),
}
"""Pip extra to the modules it brings."""
CANARY_TIMEOUT_S = 30.0
TRIAL_DEADLINE_S = 600.0
"""Launching a sandbox, trying it and closing it again, on a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at."""

    name: str
    verdict: Literal["ok", "absent", "failed"]
    """`absent` is an optional part that is not installed: no failure."""
    detail: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def as_text(self) -> str:
        """A line for a person, and another with what to do."""
        text = f"{self.verdict:>7}  {self.name}: {self.detail}"
        return f"{text}\n         {self.remedy}" if self.remedy else text


@runtime_checkable
class _Detailed(Protocol):
    detail: str


@runtime_checkable
class Guarded(Protocol):
    """A trainer with canaries of its own; optional for one."""

    def examine(self, toolkit: Toolkit, policy: Path | None, engine: str | None) -> Awaitable[Sequence[Finding]]:
        """Run every canary on this machine, one finding each, and never raise for one that dies.

        Args:
            toolkit: whose plugins and settings are used.
            policy: directory of what is trained; None for a policy made up.
            engine: model string or directory of what writes rollouts, where that is not the policy itself.
        """
        ...


@runtime_checkable
class Examinable(Protocol):
    """A benchmark that can say what stands in its way; optional for one."""

    def examine(self) -> Awaitable[Sequence[Finding]]:
        """Look at everything that playing it needs, and never raise for what is missing: that is a finding."""
        ...


async def examine(toolkit: Toolkit) -> list[Finding]:
    """Look at Python, the extras, the plugins, the configuration, and run a cell in every sandbox backend."""
    findings = [_python(), *_extras(), *_plugins(toolkit)]
    try:
        _ = toolkit.settings
    except SandmleError as problem:
        return [*findings, Finding(name="configuration", verdict="failed", detail=str(problem))]
    findings.append(Finding(name="configuration", verdict="ok", detail="valid"))
    return [*findings, *[await _sandbox(toolkit, name) for name in toolkit.registry.names(Kind.SANDBOX)]]


@asynccontextmanager
async def trial_of(toolkit: Toolkit, name: str) -> AsyncIterator[Sandbox]:
    """A sandbox as it is configured, started, and closed in the end. It has a deadline for all of that together.

    Raises:
        ConfigError: no such sandbox, or its section is wrong.
        PluginError: it needs a package that is not installed, or cannot be made.
        SandboxError: it cannot be started, failed, or hangs.
    """
    sandbox: Sandbox = toolkit.make(Kind.SANDBOX, name)
    async with deadline(TRIAL_DEADLINE_S, SandboxError, f"sandbox {name!r}"):
        try:
            await sandbox.start()
            yield sandbox
        finally:
            await see_through(sandbox.close(), CLOSE_DEADLINE_S)


def verdict_on(problem: SandmleError) -> Literal["absent", "failed"]:
    """Whether a sandbox that cannot be had is an optional part that is not installed, or a failure of this machine."""
    missing = isinstance(problem.__cause__, (ImportError, FileNotFoundError, ConnectionRefusedError))
    return "absent" if missing else "failed"


async def examine_training(toolkit: Toolkit, policy: Path | None = None, engine: str | None = None) -> list[Finding]:
    """Run the canaries of every registered trainer."""
    findings: list[Finding] = []
    for name in toolkit.registry.names(Kind.TRAINER):
        try:
            trainer = toolkit.make(Kind.TRAINER, name)
            if isinstance(trainer, Guarded):
                with toolkit.registry.blaming(Kind.TRAINER, name, "failed in its examine()"):
                    found = await trainer.examine(toolkit, policy, engine)
                findings += [replace(one, name=f"{name}: {one.name}") for one in found]
            else:
                findings.append(Finding(name=name, verdict="absent", detail="it has no canaries of its own"))
        except SandmleError as problem:
            missing = isinstance(problem.__cause__, ImportError)
            findings.append(Finding(name=name, verdict="absent" if missing else "failed", detail=str(problem)))
    return findings


async def examine_benchmark(toolkit: Toolkit, name: str) -> Sequence[Finding]:
    """Ask a benchmark what stands in the way of playing it as it is configured.

    Raises:
        ConfigError: no such benchmark, or its section is wrong.
        PluginError: it failed in its own code.
    """
    benchmark = toolkit.make(Kind.BENCHMARK, name)
    if not isinstance(benchmark, Examinable):
        detail = "it has nothing to say of itself; a run says what is wrong with its tasks"
        return [Finding(name=name, verdict="absent", detail=detail)]
    with toolkit.registry.blaming(Kind.BENCHMARK, name, "failed in its examine()"):
        return await benchmark.examine()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(name="python", verdict="ok", detail=f"{version} on {sys.platform}")


def _extras() -> list[Finding]:
    findings = []
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        findings.append(
            Finding(
                name=f"extra {extra}",
                verdict="absent" if missing else "ok",
                detail=f"not installed: {', '.join(missing)}" if missing else "installed",
                remedy=f"pip install 'sandmle[{extra}]'" if missing else "",
            )
        )
    return findings


def _plugins(toolkit: Toolkit) -> list[Finding]:
    broken = [
        Finding(
            name=f"plugin {one.name}",
            verdict="failed",
            detail=one.problem,
            remedy=f"mend or uninstall {one.source}",
        )
        for one in toolkit.plugins.broken
    ]
    return broken or [Finding(name="plugins", verdict="ok", detail=f"{len(list(toolkit.registry))} things registered")]


async def _sandbox(toolkit: Toolkit, name: str) -> Finding:
    try:
        async with trial_of(toolkit, name) as sandbox:
            async with sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
                result = await session.run("print(6 * 7)", CANARY_TIMEOUT_S)
            if result.status is CellStatus.OK and result.stdout.strip() == "42":
                # A backend may have more to say of how it keeps sessions.
                more = f"; {sandbox.detail}" if isinstance(sandbox, _Detailed) else ""
                told = f"isolation {sandbox.level.value}, a cell ran{more}"
                return Finding(name=f"sandbox {name}", verdict="ok", detail=told)
            detail = f"a cell that prints 42 ended as {result.status.value}: {result.stderr.strip()[-200:]}"
            return Finding(name=f"sandbox {name}", verdict="failed", detail=detail)
    except SandmleError as problem:
        return Finding(name=f"sandbox {name}", verdict=verdict_on(problem), detail=str(problem))
