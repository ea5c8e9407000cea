"""What the policy is shown by each operator: the parts of AIRA-dojo's prompts, in their order, in our words."""

import random
from dataclasses import dataclass

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.message import Message
from sandmle.scaffolds.aira.config import AiraConfig
from sandmle.scaffolds.aira.memory import complexity, recall
from sandmle.scaffolds.common.prompts import render_prompt
from sandmle.scaffolds.common.tree.journal import Attempt, Journal
from sandmle.scaffolds.common.tree.wording import fenced, packages

PACKAGE = "sandmle.scaffolds.aira"


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """Renders the prompts of one episode: a system message and a user message each."""

    episode: EpisodeContext
    config: AiraConfig
    overview: str = ""
    """What the data looks like."""

    def draft(self, journal: Journal, rng: random.Random) -> list[Message]:
        """Ask for one idea unlike those explored."""
        return self._messages(
            "draft",
            memory=fenced(recall(self.config.memory, journal, None), "markdown"),
            cue=complexity(journal, None) if self.config.use_complexity else "",
            **self._surroundings(rng),
        )

    def improve(self, journal: Journal, parent: Attempt, rng: random.Random) -> list[Message]:
        """Ask for one idea that makes a good attempt better."""
        return self._messages(
            "improve",
            code=fenced(parent.code, "python"),
            output=fenced(parent.output),
            memory=fenced(recall(self.config.memory, journal, parent), "markdown"),
            cue=complexity(journal, parent) if self.config.use_complexity else "",
            **self._surroundings(rng),
        )

    def debug(self, journal: Journal, parent: Attempt, rng: random.Random) -> list[Message]:
        """Ask for a repair that leaves the idea alone."""
        return self._messages(
            "debug",
            memory=fenced(recall(self.config.debug_memory, journal, parent), "markdown"),
            code=fenced(parent.code, "python"),
            output=fenced(parent.output),
            **self._surroundings(rng),
        )

    def analyze(self, attempt: Attempt) -> list[Message]:
        """Ask what came of running an attempt."""
        return self._messages("analyze", code=fenced(attempt.code, "python"), output=fenced(attempt.output))

    def _messages(self, operator: str, **fields: object) -> list[Message]:
        task = self.episode.task.description.strip()
        return [
            Message(role="system", content=render_prompt(PACKAGE, f"{operator}-system.md")),
            Message(role="user", content=render_prompt(PACKAGE, f"{operator}.md", task=task, **fields)),
        ]

    def _surroundings(self, rng: random.Random) -> dict[str, str]:
        return {
            "overview": fenced(self.overview),
            "packages": packages(rng),
            "cell_timeout": f"{self.episode.limits.cell_timeout_s:g}",
        }
