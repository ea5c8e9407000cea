"""What this package brings. Importing it is cheap: the implementations are imported when they are made."""

from typing import Any

from sandmle import Spec, hookimpl
from sandmle_frugal.config import OneCallConfig


@hookimpl
def sandmle_register_scaffolds() -> list[Spec[Any]]:
    def make(config: OneCallConfig) -> Any:
        from sandmle_frugal.scaffold import OneCall

        return OneCall(config)

    return [Spec(name="one-call", summary="One program from one call, one repair.", make=make, config=OneCallConfig)]


@hookimpl
def sandmle_register_milestones() -> list[Spec[Any]]:
    def make(_config: Any) -> Any:
        from sandmle_frugal.milestone import Frugal

        return Frugal()

    return [Spec(name="frugal", summary="1 for one turn, 0 from ten turns on.", make=make)]
