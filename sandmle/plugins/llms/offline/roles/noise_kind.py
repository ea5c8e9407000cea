"""What a noise family is."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from sandmle.plugins.llms.offline.roles.families.family import Family, Params


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """One way data is spoiled."""

    name: str
    modalities: tuple[str, ...]
    task_types: tuple[str, ...]
    sentence: str
    draw: Callable[[Random, Params], dict[str, Any]]
    """From the rule's parameters to the noise's own."""
    script: Callable[[Params], str]
    """Lines of the generator, after the target is known. Empty when the target's lines already hold it."""
    repair: Callable[[Params], str] = lambda params: ""
    """Lines of a solution, before the features are computed."""
    never_on: tuple[str, ...] = ()
    """What a row may not consist of."""
    ordered_only: bool = False
    """Whether the rule has to give a signal."""

    def fits(self, family: Family, task_type: str) -> bool:
        """Whether it can be laid over a rule family in this type of task."""
        material = set(family.material)
        return (
            bool(material & set(self.modalities))
            and not material & set(self.never_on)
            and task_type in self.task_types
            and self.name not in family.unusable_noise
            and (family.ordered or not self.ordered_only)
        )
