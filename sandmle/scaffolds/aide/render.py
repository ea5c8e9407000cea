"""What the policy is shown by each operator: the sections of AIDE's prompts, in AIDE's order, in our words."""

import random
from dataclasses import dataclass
from typing import Final

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.message import Message
from sandmle.scaffolds.aide.config import AideConfig
from sandmle.scaffolds.common.prompts import render_prompt
from sandmle.scaffolds.common.tree.journal import Attempt, Journal
from sandmle.scaffolds.common.tree.rendering import Prompts
from sandmle.scaffolds.common.tree.wording import SEPARATOR, fenced, packages, shortened

PACKAGE: Final = "sandmle.scaffolds.aide"


@dataclass(frozen=True, slots=True, kw_only=True)
class AideRenderer:
    """The prompts of one episode; see `common/tree/rendering.py` for what each asks for."""

    prompts: Prompts
    overview: str
    """What the data looks like."""
    rules: str

    @classmethod
    def of(cls, episode: EpisodeContext, config: AideConfig, overview: str) -> "AideRenderer":
        """For an episode whose data has been looked at."""
        prompts = Prompts(package=PACKAGE, episode=episode)
        rules = render_prompt(PACKAGE, "rules.md", cell_timeout=prompts.cell_timeout, folds=config.k_fold_validation)
        return cls(prompts=prompts, overview=overview, rules=rules)

    def draft(self, journal: Journal, rng: random.Random) -> list[Message]:
        memory = memory_of(journal)
        return self.prompts.messages(
            "draft", memory=memory, packages=packages(rng), overview=self.overview, rules=self.rules
        )

    def debug(self, journal: Journal, parent: Attempt, rng: random.Random) -> list[Message]:
        code, output = fenced(parent.code, "python"), fenced(parent.output)
        return self.prompts.messages("debug", code=code, output=output, overview=self.overview, rules=self.rules)

    def improve(self, journal: Journal, parent: Attempt, rng: random.Random) -> list[Message]:
        code = fenced(parent.code, "python")
        return self.prompts.messages("improve", memory=memory_of(journal), code=code, rules=self.rules)

    def review(self, attempt: Attempt) -> list[Message]:
        return self.prompts.messages("review", code=fenced(attempt.code, "python"), output=fenced(attempt.output))


def memory_of(journal: Journal) -> str:
    """The designs that worked, with their results, in the order made."""
    return SEPARATOR.join(
        f"Design: {shortened(one.plan)}\nResults: {shortened(one.analysis)}\nValidation metric: {one.score}"
        for one in journal.good
    )
