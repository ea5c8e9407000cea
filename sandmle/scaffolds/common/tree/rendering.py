"""What a tree search shows the policy: each operator's prompt, a system message and a user message. Pure."""

import random
from dataclasses import dataclass
from typing import Protocol

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.message import Message
from sandmle.scaffolds.common.prompts import render_prompt
from sandmle.scaffolds.common.tree.journal import Attempt, Journal


class Renderer(Protocol):
    """Renders the prompts of one episode. What is drawn from `rng` decides the order of words and nothing else."""

    def draft(self, journal: Journal, rng: random.Random) -> list[Message]:
        """Ask for a program from nothing, unlike those there are."""
        ...

    def debug(self, journal: Journal, parent: Attempt, rng: random.Random) -> list[Message]:
        """Ask for a repair of a buggy attempt."""
        ...

    def improve(self, journal: Journal, parent: Attempt, rng: random.Random) -> list[Message]:
        """Ask for a change that makes a good attempt better."""
        ...

    def review(self, attempt: Attempt) -> list[Message]:
        """Ask what came of running an attempt."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """The prompt files of a scaffold, rendered for one task."""

    package: str
    """Whose folder `prompts` holds `NAME-system.md` and `NAME.md`."""
    episode: EpisodeContext

    def messages(self, name: str, **fields: object) -> list[Message]:
        """A conversation of its own, with the task's description among the fields of the user message."""
        task = self.episode.task.description.strip()
        return [
            Message(role="system", content=render_prompt(self.package, f"{name}-system.md")),
            Message(role="user", content=render_prompt(self.package, f"{name}.md", task=task, **fields)),
        ]

    @property
    def cell_timeout(self) -> str:
        """Seconds that a program may run, as text."""
        return f"{self.episode.limits.cell_timeout_s:g}"
