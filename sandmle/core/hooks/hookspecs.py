"""Every hook, in pipeline order. A plugin implements any of them with `sandmle.hookimpl`.

Registration hooks are collected from all plugins and return a sequence of `Spec`. Judgement hooks are
collected too: any problem rejects. `sandmle_event` is called plugin by plugin; one that fails is logged
and never stops a run. `sandmle_register_commands` adds to the program.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import typer

    from sandmle.core.contracts.benchmark import Benchmark
    from sandmle.core.contracts.llm import LlmProvider
    from sandmle.core.contracts.milestone import Milestone
    from sandmle.core.contracts.sandbox import Sandbox
    from sandmle.core.contracts.scaffold import Scaffold
    from sandmle.core.contracts.synthesis import RuleFamily, SeedSource, SynthRole
    from sandmle.core.contracts.tracker import Tracker
    from sandmle.core.contracts.trainer import Trainer
    from sandmle.core.hooks.events import Event
    from sandmle.core.hooks.registry import Spec
    from sandmle.core.types.synthesis import Evidence, TaskDraft, TaskProblem

PROJECT = "sandmle"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


# Making tasks


@hookspec
def sandmle_register_seed_sources() -> "Sequence[Spec[SeedSource]]":
    """Offer sources of seeds, from which tasks are amplified."""


@hookspec
def sandmle_register_synth_roles() -> "Sequence[Spec[SynthRole]]":
    """Offer roles, the nodes of the synthesizer that each have a prompt of their own."""


@hookspec
def sandmle_register_rule_families() -> "Sequence[Spec[RuleFamily]]":
    """Offer rule families, ways for targets to follow from the columns of a table."""


@hookspec
def sandmle_check_task(task: "TaskDraft", evidence: "Evidence") -> "Sequence[TaskProblem]":
    """Judge a finished draft; any problem rejects it and is counted in the ledger under its check's name."""


# Running agents


@hookspec
def sandmle_register_llm_providers() -> "Sequence[Spec[LlmProvider]]":
    """Offer providers of language models, chosen by the part of the model string before the first slash."""


@hookspec
def sandmle_register_sandboxes() -> "Sequence[Spec[Sandbox]]":
    """Offer backends in which untrusted code runs."""


@hookspec
def sandmle_register_scaffolds() -> "Sequence[Spec[Scaffold]]":
    """Offer scaffolds, the graphs that turn a language model into an agent."""


@hookspec
def sandmle_register_benchmarks() -> "Sequence[Spec[Benchmark]]":
    """Offer sets of tasks to run agents on."""


# Rewarding and learning


@hookspec
def sandmle_register_milestones() -> "Sequence[Spec[Milestone]]":
    """Offer milestones, the named parts of a reward."""


@hookspec
def sandmle_register_trainers() -> "Sequence[Spec[Trainer]]":
    """Offer trainers, which turn episodes into a better policy."""


# Watching


@hookspec
def sandmle_register_trackers() -> "Sequence[Spec[Tracker]]":
    """Offer trackers, which record events while a run goes on."""


@hookspec
def sandmle_event(event: "Event") -> None:
    """Observe that something happened. Failing here is logged and stops nothing."""


# The program


@hookspec
def sandmle_register_commands(app: "typer.Typer") -> None:
    """Add commands to the `sandmle` program."""
