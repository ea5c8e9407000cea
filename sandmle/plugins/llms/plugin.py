"""Registers the built-in providers of language models."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.registry import NoConfig, Spec
from sandmle.plugins.llms.config import LitellmConfig, ReplayConfig
from sandmle.plugins.llms.local.config import LocalConfig

if TYPE_CHECKING:
    import typer

    from sandmle.core.contracts.llm import LlmProvider


def _make_litellm(config: LitellmConfig) -> "LlmProvider":
    from sandmle.plugins.llms.litellm_model import LitellmProvider

    return LitellmProvider(config)


def _make_offline(config: NoConfig) -> "LlmProvider":
    from sandmle.plugins.llms.offline.provider import OfflineProvider

    return OfflineProvider(LitellmConfig(num_retries=0))


def _make_local(config: LocalConfig) -> "LlmProvider":
    from sandmle.plugins.llms.local.model import LocalProvider

    return LocalProvider(config)


def _make_replay(config: ReplayConfig) -> "LlmProvider":
    from sandmle.plugins.llms.replay import ReplayProvider

    return ReplayProvider(config)


@hookimpl
def sandmle_register_llm_providers() -> "Sequence[Spec[LlmProvider]]":
    """Offer litellm for any `provider/model` string, embedded models, local checkpoints, and recorded runs."""
    return [
        Spec(
            name="litellm",
            summary="any provider/model string that litellm knows, such as openai/gpt-5",
            make=_make_litellm,
            config=LitellmConfig,
        ),
        Spec(
            name="offline",
            summary="embedded players: roles, agent (also -weak, -strong), demonstrator and the controls beside it",
            make=_make_offline,
        ),
        Spec(
            name="local",
            summary="a transformers checkpoint in this process, token-exact: local/PATH",
            make=_make_local,
            config=LocalConfig,
            extra="train",
        ),
        Spec(
            name="replay",
            summary="the replies of a recorded run, without their model: replay/RUN",
            make=_make_replay,
            config=ReplayConfig,
        ),
    ]


# Commands join a group that another plugin makes: the hook called last finds it there.
@hookimpl(tryfirst=True)
def sandmle_register_commands(app: "typer.Typer") -> None:
    """Add `sandmle tasks stats`."""
    from sandmle.plugins.llms.offline.demonstrator.commands import register

    register(app)
