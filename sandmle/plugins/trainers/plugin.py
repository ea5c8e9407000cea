"""Registers the built-in trainers and `sandmle train`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.registry import Spec
from sandmle.plugins.trainers.local.config import LocalTrainerConfig
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig

if TYPE_CHECKING:
    import typer

    from sandmle.core.contracts.trainer import Trainer


def _make_local(config: LocalTrainerConfig) -> "Trainer":
    from sandmle.plugins.trainers.local.trainer import LocalTrainer

    return LocalTrainer(config)


def _make_openrlhf(config: OpenRlhfConfig) -> "Trainer":
    from sandmle.plugins.trainers.openrlhf.trainer import OpenRlhfTrainer

    return OpenRlhfTrainer(config)


@hookimpl
def sandmle_register_trainers() -> "Sequence[Spec[Trainer]]":
    """Offer both trainers."""
    return [
        Spec(
            name="local",
            summary="SFT and trajectory-wise GRPO with LoRA, in one process on CPU or one GPU",
            make=_make_local,
            config=LocalTrainerConfig,
            extra="train",
        ),
        Spec(
            name="openrlhf",
            summary="the same with OpenRLHF on Ray, vLLM and DeepSpeed, from one GPU to several nodes",
            make=_make_openrlhf,
            config=OpenRlhfConfig,
            extra="openrlhf",
        ),
    ]


@hookimpl
def sandmle_register_commands(app: "typer.Typer") -> None:
    """Add `sandmle train`."""
    from sandmle.plugins.trainers.commands import train_app

    app.add_typer(train_app, name="train")
