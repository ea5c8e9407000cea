"""Where tasks come from: seed sources, and the roles of the synthesizer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
