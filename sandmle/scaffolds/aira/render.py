"""What the policy is shown by each operator: the parts of AIRA-dojo's prompts, in their order, in our words."""

import random
from dataclasses import dataclass
from typing import Final

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.message import Message
from sandmle.scaffolds.aira.config import AiraConfig, Memory
from sandmle.scaffolds.aira.memory import complexity, recall
from sandmle.scaffolds.common.tree.journal import Attempt, Journal
from sandmle.scaffolds.common.tree.rendering import Prompts
from sandmle.scaffolds.common.tree.wording import fenced, packages

PACKAGE: Final = "sandmle.scaffolds.aira"


@dataclass(frozen=True, slots=True, kw_only=True)
class AiraRenderer:
    """The prompts of one episode; see `common/tree/rendering.py` for what each asks for."""

    prompts: Prompts
    config: AiraConfig
    overview: str
    """What the data looks like."""

    @classmethod
    def of(cls, episode: EpisodeContext, config: AiraConfig, overview: str) -> "AiraRenderer":
        """For an episode whose data has been looked at."""
        return cls(prompts=Prompts(package=PACKAGE, episode=episode), config=config, overview=overview)

    def draft(self, journal: Journal, rng: random.Random) -> list[Message]:
        return self._write("draft", self.config.memory, journal, None, rng, cue=self._cue(journal, None))

    def debug(self, journal: Journal, parent: Attempt, rng: random.Random) -> list[Message]:
        return self._write("debug", self.config.debug_memory, journal, parent, rng)

    def improve(self, journal: Journal, parent: Attempt, rng: random.Random) -> list[Message]:
        return self._write("improve", self.config.memory, journal, parent, rng, cue=self._cue(journal, parent))

    def review(self, attempt: Attempt) -> list[Message]:
        return self.prompts.messages("analyze", code=fenced(attempt.code, "python"), output=fenced(attempt.output))

    def _cue(self, journal: Journal, parent: Attempt | None) -> str:
        return complexity(journal, parent) if self.config.use_complexity else ""

    def _write(
        self,
        operator: str,
        memory: Memory,
        journal: Journal,
        parent: Attempt | None,
        rng: random.Random,
        **more: object,
    ) -> list[Message]:
        shown = {} if parent is None else {"code": fenced(parent.code, "python"), "output": fenced(parent.output)}
        return self.prompts.messages(
            operator,
            memory=fenced(recall(memory, journal, parent), "markdown"),
            overview=fenced(self.overview),
            packages=packages(rng),
            cell_timeout=self.prompts.cell_timeout,
            **shown,
            **more,
        )
