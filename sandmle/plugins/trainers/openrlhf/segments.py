"""Which scaffolds the distributed trainer can learn under: those whose conversations only grow, unless more is proven.

OpenRLHF expects one sequence per sample. A scaffold that prunes its history or branches gives several, which share one
advantage; `samples.py`, `generator.py` and `experience.py` see to that, and tests/openrlhf/test_experience.py holds
them to it.
"""

from collections.abc import Mapping
from typing import Any, Final

from sandmle.core.errors import ConfigError

SEGMENTS_PROVEN: Final = True
"""Whether the test of several segments per trajectory passes in the environment with the real OpenRLHF."""

BRANCHING: Final = ("aide", "aira")
"""Tree searches: every reply stands in a conversation of its own."""
PRUNING: Final = {"mle_agent": "history_length"}
"""Scaffolds that leave out messages once the option is set."""

CALLING: Final = "openai_tools"
"""The scaffold that has the provider's own function calling, unless its option `calls` says otherwise."""


def refuse_native_calls(scaffold: str, options: Mapping[str, Any]) -> None:
    """Refuse a scaffold whose every question the rollout engine would refuse, on every GPU, minutes from now.

    Raises:
        ConfigError: naming it, and what to do.
    """
    if scaffold == CALLING and options.get("calls", "native") == "native":
        raise ConfigError(
            f"scaffold {scaffold!r} calls functions natively, and the rollout engine makes no native calls: set "
            f'plugin.scaffold.{scaffold}.calls = "text"'
        )


def refuse_segments(scaffold: str, options: Mapping[str, Any], *, proven: bool | None = None) -> None:
    """Refuse a scaffold whose trajectories have several segments, while those are not proven.

    Args:
        scaffold: its name.
        options: its section of the configuration.
        proven: None takes `SEGMENTS_PROVEN`.

    Raises:
        ConfigError: naming it, and what to do.
    """
    if SEGMENTS_PROVEN if proven is None else proven:
        return
    if scaffold in BRANCHING:
        raise ConfigError(
            f"scaffold {scaffold!r} branches: each of its replies begins a new segment, and training on those is not "
            "proven under the openrlhf trainer; take --trainer local, or a scaffold whose conversation only grows, "
            "such as react or codeact"
        )
    option = PRUNING.get(scaffold)
    if option is not None and options.get(option) is not None:
        raise ConfigError(
            f"scaffold {scaffold!r} prunes its history while plugin.scaffold.{scaffold}.{option} is set: that begins "
            "new segments, and training on those is not proven under the openrlhf trainer; leave the option out, or "
            "take --trainer local"
        )
