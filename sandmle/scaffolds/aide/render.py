"""What the policy is shown by each operator: the sections of AIDE's prompts, in AIDE's order, in our words."""

import random
from dataclasses import dataclass

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.message import Message
from sandmle.scaffolds.aide.config import AideConfig
from sandmle.scaffolds.common.prompts import render_prompt
from sandmle.scaffolds.common.tree.journal import Attempt, Journal
from sandmle.scaffolds.common.tree.wording import SEPARATOR, fenced, packages, shortened

PACKAGE = "sandmle.scaffolds.aide"


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """Renders the prompts of one episode: a system message and a user message each."""

    episode: EpisodeContext
    config: AideConfig
    overview: str = ""
    """What the data looks like."""

    def draft(self, journal: Journal, rng: random.Random) -> list[Message]:
        """Ask for a first solution, unlike those in memory."""
        return self._messages(
            "draft", memory=memory_of(journal), packages=packages(rng), overview=self.overview, rules=self._rules()
        )

    def improve(self, journal: Journal, parent: Attempt) -> list[Message]:
        """Ask for one change that makes a good attempt better."""
        return self._messages(
            "improve", memory=memory_of(journal), code=fenced(parent.code, "python"), rules=self._rules()
        )

    def debug(self, parent: Attempt) -> list[Message]:
        """Ask for a repair of a buggy attempt."""
        return self._messages(
            "debug",
            code=fenced(parent.code, "python"),
            output=fenced(parent.output),
            overview=self.overview,
            rules=self._rules(),
        )

    def review(self, attempt: Attempt) -> list[Message]:
        """Ask what came of running an attempt."""
        return self._messages("review", code=fenced(attempt.code, "python"), output=fenced(attempt.output))

    def _messages(self, operator: str, **fields: object) -> list[Message]:
        task = self.episode.task.description.strip()
        return [
            Message(role="system", content=render_prompt(PACKAGE, f"{operator}-system.md")),
            Message(role="user", content=render_prompt(PACKAGE, f"{operator}.md", task=task, **fields)),
        ]

    def _rules(self) -> str:
        return render_prompt(
            PACKAGE,
            "rules.md",
            cell_timeout=f"{self.episode.limits.cell_timeout_s:g}",
            folds=self.config.k_fold_validation,
        )


def memory_of(journal: Journal) -> str:
    """The designs that worked, with their results, in the order made."""
    return SEPARATOR.join(
        f"Design: {shortened(one.plan)}\nResults: {shortened(one.analysis)}\nValidation metric: {one.score}"
        for one in journal.good
    )
