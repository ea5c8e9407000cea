"""Where tasks come from: seed sources, and the roles of the synthesizer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from pydantic import BaseModel

from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.types.message import Message
from sandmle.core.types.synthesis import Seed


@runtime_checkable
class SeedSource(Protocol):
    """Finds seeds and measures their DNA from real data."""

    def seeds(self) -> Sequence[Seed]:
        """Every seed, in a stable order.

        Raises:
            PluginError: the data the source measures is not there.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDraw:
    """One rule over the columns of a table, drawn, with the words and the lines that a task of it is made of.

    All of it travels as text in a prompt: any model can plan and program with it. The lines are Python in which `np`
    and `pd` stand for numpy and pandas.
    """

    domain: str
    """Field of application, such as `inland shipping`."""
    row: str
    """What one row is, in the singular."""
    purpose: str
    """Who needs the prediction, a sentence."""
    title: str
    """To be drawn from several: a corpus refuses a second task of one title and family as a near-duplicate."""
    columns: tuple[tuple[str, str, str], ...]
    """Features as (name, `number` or `category`, meaning with its unit)."""
    target: tuple[str, str]
    """Name and meaning."""
    sentence: str
    """The rule in words, exact enough to be programmed."""
    script: str
    """Lines of the generator. They find `rng`, a numpy generator, and `ROWS`, a number of rows; they leave `clean`, a
    data frame with the columns, and `signal`, ROWS numbers of which the target is made."""
    full: str
    """Lines of a solution that knows the rule. They find `both`, the data frame of train and test; they leave `X`, a
    matrix with a row for each of its rows."""
    partial: str
    """The same for one that knows half of it."""
    value: tuple[float, float] = (100.0, 20.0)
    """Middle and spread of the target where it is a value; the middle is at least four spreads."""
    classes: tuple[str, ...] = ()
    """Four names from low to high, of which a classification takes the first ones; empty where none is made of it."""


@runtime_checkable
class RuleFamily(Protocol):
    """One way for targets to follow from the columns of a table. Plays where `synthesis.families` names it."""

    @property
    def name(self) -> str: ...

    @property
    def task_types(self) -> Sequence[str]:
        """Some of `classification`, `regression` and `ranking`."""
        ...

    def draw(self, rng: Random) -> RuleDraw:
        """Draw a rule; the same draw gives the same rule, another one another."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """What is known of a draft so far; every role reads it and adds its answer under its own name."""

    seed: Seed
    index: int
    rng_seed: int
    """Derived from the corpus' rng seed and `index`; the only source of randomness of this draft."""
    accepted: tuple[str, ...] = ()
    """Titles of tasks accepted so far that amplify the same seed, to be told apart from."""
    answers: Mapping[str, BaseModel] = field(default_factory=lambda: MappingProxyType({}))
    """Role name to its validated answer."""
    files: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """What the generator script wrote: `public/...` and `private/...` to content."""
    rules: tuple[RuleFamily, ...] = ()
    """Rule families of plugins that `synthesis.families` names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleVerdict:
    """What trying a role's answer out showed."""

    problem: str | None = None
    """What is wrong, in words that go back to the role; None when the answer holds."""
    files: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """Files the answer produced, to be added to the dossier."""


@runtime_checkable
class SynthRole(Protocol):
    """One node of the synthesizer: a prompt, the type of its answer, and a trial of that answer."""

    @property
    def name(self) -> str: ...

    @property
    def answer_type(self) -> type[BaseModel]: ...

    def prompt(self, dossier: Dossier) -> list[Message]:
        """The conversation to send; rendered strictly from the role's prompt file."""
        ...

    async def trial(self, answer: BaseModel, dossier: Dossier, sandbox: Sandbox) -> RoleVerdict:
        """Try the answer out (run the script, check the plan). A wrong answer is a verdict, never an exception.

        Raises:
            SandboxError: the machinery failed.
        """
        ...
