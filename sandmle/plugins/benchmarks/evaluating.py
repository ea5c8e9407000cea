"""`sandmle eval`: play a benchmark's split under its own grader, and report in its own words.

OUT/run/            the run, as `sandmle run` writes it
OUT/work/           task views, and every submission that was graded
OUT/reports/        the benchmark's own reports, one for each seed (MLE-bench)
OUT/report.json     what `--json` prints
"""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from sandmle.core.engine.runs import run_tasks, with_possible_feedback
from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.summary import json_ready
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, cannot_write
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.episode import Episode
from sandmle.plugins.benchmarks.peers.selection import Selection

RUN, WORK, REPORTS, REPORT = "run", "work", "reports", "report.json"
DEFAULT_SEEDS: Final = 3
"""MLE-bench asks for at least three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Under what a benchmark was played; part of every report."""

    benchmark: str
    split: str
    scaffold: str
    model: str
    sandbox: str
    feedback: str
    seeds: int
    complete: bool
    """Whether every episode was played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """What a benchmark makes of the episodes."""

    report: Mapping[str, Any]
    """The whole report, in the benchmark's schema where it has one."""
    files: Mapping[str, Mapping[str, Any]]
    """Further documents, by file name."""
    text: str
    """A few lines for a person."""


@runtime_checkable
class Reporting(Protocol):
    """A benchmark with a report of its own."""

    @property
    def selection(self) -> Selection:
        """Which of its competitions are meant."""
        ...

    def report(self, episodes: Sequence[Episode], conditions: Conditions) -> Documents:
        """Sum the episodes up.

        Raises:
            TaskError: the checkout or its data cannot be read any more.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How an evaluation ended."""

    documents: Documents
    complete: bool
    lost: str | None
    """Why nothing came of it, as in `RunSummary`."""


async def evaluate(toolkit: Toolkit, out: Path, drain: asyncio.Event) -> Evaluation:
    """Play what `[run]` names and report; the same call on the same folder resumes.

    Args:
        toolkit: its `run.benchmark` is one that reports.
        out: the folder of the evaluation.
        drain: once set, what is under way is finished and nothing new is started.

    Raises:
        UsageError: a name, the checkout, its data or the folder cannot be used.
        InfrastructureError: the machinery failed too often in a row, or reports cannot be written.
        PluginError: a plugin failed in its own code.
    """
    toolkit = with_possible_feedback(toolkit)
    settings = toolkit.settings.run
    benchmark = toolkit.make(Kind.BENCHMARK, settings.benchmark)
    if not isinstance(benchmark, Reporting):
        raise ConfigError(
            f"benchmark {settings.benchmark!r} has no report of its own; `sandmle run --set run.benchmark=...` plays it"
        )
    summary = await run_tasks(toolkit, out / RUN, drain)
    conditions = Conditions(
        benchmark=settings.benchmark,
        split=benchmark.selection.split,
        scaffold=settings.scaffold,
        model=settings.model,
        sandbox=", ".join(summary.levels) or settings.sandbox,
        feedback=settings.feedback.value,
        seeds=settings.group_size,
        complete=summary.complete,
    )
    documents = benchmark.report(list(read_episodes(out / RUN)), conditions)
    _write(out, documents)
    return Evaluation(documents=documents, complete=summary.complete, lost=summary.lost)


def _write(out: Path, documents: Documents) -> None:
    try:
        for name, document in {**documents.files, REPORT: documents.report}.items():
            file = out / name
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_name(f".{file.name}.part")
            part.write_text(json.dumps(json_ready(document), indent=2, ensure_ascii=False) + "\n", "utf-8")
            os.replace(part, file)
    except OSError as problem:
        raise cannot_write(out, problem) from problem
