"""Puts one registered thing through the suite of its kind, with what the package itself says about how."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sandmle.core.conformance.benchmark import check_benchmark
from sandmle.core.conformance.drafts import sample_draft
from sandmle.core.conformance.llm import check_provider
from sandmle.core.conformance.milestone import check_milestone
from sandmle.core.conformance.role import check_role
from sandmle.core.conformance.rule import check_rule_family
from sandmle.core.conformance.sandbox import CHECKS
from sandmle.core.conformance.scaffold import ScriptedEpisode, check_scaffold, play
from sandmle.core.conformance.seeds import check_seed_source
from sandmle.core.conformance.shape import check_name, check_shape
from sandmle.core.conformance.tracker import check_tracker
from sandmle.core.conformance.trainer import check_trainer
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.contracts.scaffold import Scaffold
from sandmle.core.engine.tasks import write_task
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, PluginError, SandmleError, boundary
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.message import ModelReply
from sandmle.core.types.trajectory import ActionKind
from sandmle.plugins.authoring.protocols import PROTOCOLS

Outcome = tuple[list[str], str]
"""Problems, and a remark on what was left out."""

NAMED: Final = frozenset({Kind.SCAFFOLD, Kind.SANDBOX, Kind.MILESTONE, Kind.ROLE, Kind.RULE})
"""Kinds whose objects say their own name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One registered thing."""

    kind: Kind
    name: str
    word: str
    table: Mapping[str, Any] = field(default_factory=dict)
    """`[tool.sandmle.check.WORD.NAME]` of its package."""

    def __str__(self) -> str:
        return f"{self.word} {self.name!r}"

    @property
    def section(self) -> str:
        """Where its package may say more."""
        return f"[tool.sandmle.check.{self.word}.{self.name}] in pyproject.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What suites work with."""

    toolkit: Toolkit
    scratch: Path
    doing: Callable[[str], None]
    """Told before each step, which may hang."""

    def tasks(self) -> Path:
        """A folder with one sample task."""
        folder = self.scratch / "tasks"
        if not folder.exists():
            write_task(folder, sample_draft())
        return folder


async def run_suite(subject: Subject, bench: Bench) -> Outcome:
    """Make the thing and check it.

    Raises:
        SandmleError: the first thing that is wrong, in words.
    """
    bench.doing(f"making {subject}")
    options = _filled(subject.table.get("options", {}), bench)
    try:
        thing = bench.toolkit.registry.make(subject.kind, subject.name, options)
    except ConfigError as problem:
        raise PluginError(
            f"{problem}\nOptions for this check belong into {subject.section}: options = {{ ... }}"
        ) from problem
    bench.doing(f"the suite of {subject}")
    if subject.kind in NAMED and hasattr(thing, "name"):
        check_name(thing.name, subject.name, str(subject))
    return await SUITES[subject.kind](thing, subject, bench)


def _filled(options: Any, bench: Bench) -> Any:
    """Options with `{tasks}` and `{scratch}` replaced by folders of this check."""
    if isinstance(options, Mapping):
        return {key: _filled(value, bench) for key, value in options.items()}
    if not isinstance(options, str):
        return options
    filled = options.replace("{scratch}", str(bench.scratch))
    return filled.replace("{tasks}", str(bench.tasks())) if "{tasks}" in filled else filled


async def _scaffold(scaffold: Any, subject: Subject, bench: Bench) -> Outcome:
    check_shape(scaffold, Scaffold, str(subject))
    replies = subject.table.get("replies") or await _spoken(scaffold, subject)
    await check_scaffold(scaffold, replies)
    return [], ""


async def _spoken(scaffold: Scaffold, subject: Subject) -> Sequence[str | ModelReply]:
    """The first protocol in which the scaffold is moved to run code."""
    for replies in PROTOCOLS.values():
        episode = ScriptedEpisode(replies)
        await play(scaffold, episode)
        if any(action.kind is ActionKind.RUN_CODE for action in episode.actions):
            return replies
    raise PluginError(
        f"{subject} ran no code, whatever it was answered ({', '.join(PROTOCOLS)}); if it speaks another protocol, "
        f"give replies that run code in {subject.section}: replies = [...]"
    )


async def _sandbox(sandbox: Any, subject: Subject, bench: Bench) -> Outcome:
    check_shape(sandbox, Sandbox, str(subject))
    problems = []
    async with _started(sandbox, f"{subject}: starting", bench):
        for number, check in enumerate(CHECKS):
            title = str(getattr(check, "__name__", check)).replace("_", " ")
            bench.doing(f"{subject}: {title}")
            directory = bench.scratch / f"sandbox-{number}"
            directory.mkdir()
            try:
                with boundary(PluginError, "it raised"):
                    await _checked(check(sandbox, directory))
            except SandmleError as problem:
                problems.append(f"{title}: {problem}")
    return problems, ""


async def _checked(checking: Awaitable[None]) -> None:
    try:
        await checking
    except AssertionError as problem:
        raise PluginError(str(problem)) from problem


@asynccontextmanager
async def _started(sandbox: Sandbox, doing: str, bench: Bench) -> AsyncIterator[Sandbox]:
    bench.doing(doing)
    try:
        with boundary(PluginError, f"{doing} failed"):
            await sandbox.start()
        yield sandbox
    finally:
        with boundary(PluginError, "closing it failed"):
            await sandbox.close()


async def _milestone(milestone: Any, subject: Subject, bench: Bench) -> Outcome:
    check_milestone(milestone)
    return [], ""


async def _seeds(source: Any, subject: Subject, bench: Bench) -> Outcome:
    check_seed_source(source, str(subject))
    return [], ""


async def _role(role: Any, subject: Subject, bench: Bench) -> Outcome:
    answers = subject.table.get("answers", [])
    async with _started(
        bench.toolkit.make(Kind.SANDBOX, "process"), "starting the sandbox for trials", bench
    ) as sandbox:
        bench.doing(f"the suite of {subject}")
        await check_role(role, sandbox, answers)
    return [], "" if answers else f"its trial was not tried: give answers, right and wrong, in {subject.section}"


async def _rule(family: Any, subject: Subject, bench: Bench) -> Outcome:
    sandbox = bench.toolkit.make(Kind.SANDBOX, "process")
    async with _started(sandbox, "starting the sandbox for its lines", bench):
        bench.doing(f"the suite of {subject}")
        await check_rule_family(family, sandbox)
    return [], ""


async def _provider(provider: Any, subject: Subject, bench: Bench) -> Outcome:
    model = subject.table.get("model", f"{subject.name}/test")
    try:
        await check_provider(provider, model, deterministic=subject.table.get("deterministic", True))
    except ConfigError as problem:
        raise PluginError(f"{problem}\nThe model to check is named in {subject.section}: model = ...") from problem
    return [], ""


async def _benchmark(benchmark: Any, subject: Subject, bench: Bench) -> Outcome:
    check_benchmark(benchmark, str(subject))
    return [], ""


async def _trainer(trainer: Any, subject: Subject, bench: Bench) -> Outcome:
    await check_trainer(trainer, bench.toolkit, bench.tasks(), bench.scratch / "trained", str(subject))
    return [], ""


async def _tracker(tracker: Any, subject: Subject, bench: Bench) -> Outcome:
    check_tracker(tracker, str(subject))
    return [], ""


SUITES: Final[Mapping[Kind, Callable[[Any, Subject, Bench], Awaitable[Outcome]]]] = {
    Kind.SCAFFOLD: _scaffold,
    Kind.SANDBOX: _sandbox,
    Kind.MILESTONE: _milestone,
    Kind.SEEDS: _seeds,
    Kind.ROLE: _role,
    Kind.RULE: _rule,
    Kind.LLM: _provider,
    Kind.BENCHMARK: _benchmark,
    Kind.TRAINER: _trainer,
    Kind.TRACKER: _tracker,
}
