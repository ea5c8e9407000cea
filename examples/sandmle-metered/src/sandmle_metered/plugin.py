"""What this package brings. Importing it is cheap: the implementations are imported when they are made."""

from typing import Any

from sandmle import Spec, hookimpl
from sandmle_metered.config import LeanConfig, MeteredConfig


@hookimpl
def sandmle_register_sandboxes() -> list[Spec[Any]]:
    def make(config: MeteredConfig) -> Any:
        from sandmle import Kind, open_toolkit
        from sandmle_metered.sandbox import MeteredSandbox

        return MeteredSandbox(open_toolkit().make(Kind.SANDBOX, config.inner), config.seconds)

    return [Spec(name="metered", summary="another sandbox behind a meter", make=make, config=MeteredConfig)]


@hookimpl
def sandmle_register_milestones() -> list[Spec[Any]]:
    def make(config: LeanConfig) -> Any:
        from sandmle_metered.milestone import Lean

        return Lean(config.seconds)

    return [Spec(name="lean", summary="1 for no running time, 0 for all of it", make=make, config=LeanConfig)]
