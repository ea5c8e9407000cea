"""What a rule family is, and what every family draws from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from sandmle.plugins.llms.offline.roles.domains import Domain

Params = Mapping[str, Any]
"""A family's own parameters: JSON values only, since they travel as text."""
Level = Literal["full", "partial", "plain"]
"""How well a solution represents the rule: as it is, half of it, or as the columns come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a family draws for: the domain and the size of the table."""

    domain: Domain
    numbers: int
    """Numeric columns wanted."""
    classes: int
    """Classes wanted; 0 for a value."""
    image_size: int
    """Side of a square image, pixels."""
    labels: int = 0
    """Labels wanted, any number of which may apply to a row; 0 where the task is another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One way for labels to follow from features."""

    name: str
    modality: Literal["tabular", "text", "image", "multimodal", "graph", "audio", "series"]
    task_types: tuple[str, ...]
    sentence: str
    """The rule in words, for the hidden part of the strategy."""
    draw: Callable[[Random, Ask], dict[str, Any]]
    """Draws parameters. `columns` in them lists the data columns as `[name, kind, meaning]`."""
    script: Callable[[Params], str]
    """Lines of the generator: from `rng` and `ROWS` to the data and what the target is made of: `signal`, or `kind` (a
    class index), or `marks` (rows by labels, 0 or 1), or `hidden` (rows by values to be restored)."""
    features: Callable[[Params, Level], str]
    """Lines of a solution: from `both` to the matrix `X`."""
    ordered: bool = True
    """Whether the rule gives a signal to be cut into classes; otherwise it gives the class itself."""
    unusable_noise: tuple[str, ...] = ()
    """Noise families that would hide this rule altogether."""
    parts: tuple[str, ...] = ()
    """What a row consists of, where that is not the modality's own name: `tabular`, `text`, `image`, `graph`."""

    @property
    def material(self) -> tuple[str, ...]:
        """What a row consists of."""
        return self.parts or (self.modality,)

    def plays(self, task_type: str) -> bool:
        """Whether the rule can be asked for in this type of task: what gives a value can be ranked by it."""
        return task_type in self.task_types or (task_type == "ranking" and "regression" in self.task_types)


def literal(value: Any, indent: int = 0) -> str:
    """`value` as Python source, one entry a line when it is a long mapping or list."""
    flat = repr(value)
    if len(flat) + indent <= 100 or not isinstance(value, dict | list | tuple):
        return flat
    pad = " " * (indent + 4)
    if isinstance(value, dict):
        body = "".join(f"{pad}{key!r}: {literal(item, indent + 4)},\n" for key, item in value.items())
        return "{\n" + body + " " * indent + "}"
    opening, closing = ("[", "]") if isinstance(value, list) else ("(", ")")
    return opening + "\n" + "".join(f"{pad}{literal(item, indent + 4)},\n" for item in value) + " " * indent + closing


def signed(number: float) -> str:
    """A number as the right side of a sum: `+ 0.3` or `- 0.3`."""
    return f"{'-' if number < 0 else '+'} {abs(number)}"


def weights(rng: Random, count: int) -> list[float]:
    """`count` weights between 0.6 and 1.4 with random signs."""
    return [round(rng.choice((-1, 1)) * rng.uniform(0.6, 1.4), 2) for _ in range(count)]
