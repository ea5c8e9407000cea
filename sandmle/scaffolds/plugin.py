"""Registers the built-in scaffolds and their commands."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.registry import Spec
from sandmle.scaffolds.aide.config import AideConfig
from sandmle.scaffolds.aira.config import AiraConfig
from sandmle.scaffolds.codeact.config import CodeActConfig
from sandmle.scaffolds.mle_agent.config import MleAgentConfig
from sandmle.scaffolds.openai_tools.config import OpenaiToolsConfig
from sandmle.scaffolds.react.config import ReactConfig
from sandmle.scaffolds.single_turn.config import SingleTurnConfig

if TYPE_CHECKING:
    import typer

    from sandmle.core.contracts.scaffold import Scaffold


def _make_react(config: ReactConfig) -> "Scaffold":
    from sandmle.scaffolds.react.scaffold import ReactScaffold

    return ReactScaffold(config)


def _make_single_turn(config: SingleTurnConfig) -> "Scaffold":
    from sandmle.scaffolds.single_turn.scaffold import SingleTurnScaffold

    return SingleTurnScaffold(config)


def _make_codeact(config: CodeActConfig) -> "Scaffold":
    from sandmle.scaffolds.codeact.scaffold import CodeActScaffold

    return CodeActScaffold(config)


def _make_openai_tools(config: OpenaiToolsConfig) -> "Scaffold":
    from sandmle.scaffolds.openai_tools.scaffold import OpenaiToolsScaffold

    return OpenaiToolsScaffold(config)


def _make_mle_agent(config: MleAgentConfig) -> "Scaffold":
    from sandmle.scaffolds.mle_agent.scaffold import MleAgentScaffold

    return MleAgentScaffold(config)


def _make_aide(config: AideConfig) -> "Scaffold":
    from sandmle.scaffolds.aide.scaffold import AideScaffold

    return AideScaffold(config)


def _make_aira(config: AiraConfig) -> "Scaffold":
    from sandmle.scaffolds.aira.scaffold import AiraScaffold

    return AiraScaffold(config)


@hookimpl
def sandmle_register_scaffolds() -> "Sequence[Spec[Scaffold]]":
    """Offer the built-in scaffolds."""
    return [
        Spec(
            name="react",
            summary="think, call one tool, read its response; the tag protocol of the released SandMLE code",
            make=_make_react,
            config=ReactConfig,
        ),
        Spec(
            name="single_turn",
            summary="one reply holds one program: it is run, what it wrote is submitted, and that is all",
            make=_make_single_turn,
            config=SingleTurnConfig,
        ),
        Spec(
            name="codeact",
            summary="code blocks are the actions and what they print the observations; after the CodeAct paper",
            make=_make_codeact,
            config=CodeActConfig,
        ),
        Spec(
            name="openai_tools",
            summary="native function calling: run_python, submit, finish; several calls in one reply",
            make=_make_openai_tools,
            config=OpenaiToolsConfig,
        ),
        Spec(
            name="mle_agent",
            summary="request_info, validate_code, execute_code as JSON, repaired when unreadable; as MLE-Dojo's agent",
            make=_make_mle_agent,
            config=MleAgentConfig,
        ),
        Spec(
            name="aide",
            summary="tree search over whole programs: draft, debug or improve, then review; as the package aideml",
            make=_make_aide,
            config=AideConfig,
        ),
        Spec(
            name="aira",
            summary="greedy tree search with AIRA's operators, memory and check of every submission; as AIRA-dojo",
            make=_make_aira,
            config=AiraConfig,
        ),
    ]


@hookimpl
def sandmle_register_commands(app: "typer.Typer") -> None:
    """Add `sandmle scaffolds`."""
    from sandmle.scaffolds.commands import scaffolds_app

    app.add_typer(scaffolds_app, name="scaffolds")
