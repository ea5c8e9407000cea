"""The built-in roles, checks and commands of the synthesizer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandmle.core.contracts.synthesis import SynthRole
from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.registry import Spec
from sandmle.core.types.synthesis import Evidence, TaskDraft, TaskProblem

if TYPE_CHECKING:
    import typer

    from sandmle.plugins.synthesizer.role_config import RoleConfig, StrategistConfig


@hookimpl
def sandmle_register_synth_roles() -> Sequence[Spec[SynthRole]]:
    from sandmle.plugins.synthesizer.role_config import RoleConfig, StrategistConfig

    return [
        Spec(
            name="data-strategist",
            summary="plans a task: domain, columns, hidden rule, noise",
            make=_strategist,
            config=StrategistConfig,
        ),
        Spec(
            name="ml-developer",
            summary="writes the script that generates the data",
            make=_developer,
            config=RoleConfig,
        ),
        Spec(
            name="mlops-engineer",
            summary="sets the submission format and writes the reference solutions",
            make=_engineer,
            config=RoleConfig,
        ),
        Spec(name="technical-writer", summary="writes the description the agent reads", make=_writer),
    ]


@hookimpl
def sandmle_check_task(task: TaskDraft, evidence: Evidence) -> Sequence[TaskProblem]:
    from sandmle.plugins.synthesizer.checks import run_checks

    return run_checks(task, evidence)


@hookimpl
def sandmle_register_commands(app: "typer.Typer") -> None:
    from sandmle.plugins.synthesizer.commands import register

    register(app)


def _strategist(config: "StrategistConfig") -> SynthRole:
    from sandmle.plugins.synthesizer.roles import DataStrategist

    return DataStrategist(config=config)


def _developer(config: "RoleConfig") -> SynthRole:
    from sandmle.plugins.synthesizer.roles import MlDeveloper

    return MlDeveloper(config=config)


def _engineer(config: "RoleConfig") -> SynthRole:
    from sandmle.plugins.synthesizer.roles import MlopsEngineer

    return MlopsEngineer(config=config)


def _writer(config: object) -> SynthRole:
    from sandmle.plugins.synthesizer.roles import TechnicalWriter

    return TechnicalWriter()
