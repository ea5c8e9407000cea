"""What can be configured about AIRA. The defaults are those of AIRA-dojo's greedy solver on MLE-bench."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from sandmle.scaffolds.common.tree.journal import Selection
from sandmle.scaffolds.common.tree.search import Search

DRAFT_DEPTH = 1
"""AIRA-dojo hangs drafts below an empty root that counts as buggy, so a draft is one debugging step deep itself."""


class Memory(StrEnum):
    """What of the tree an operator is reminded of."""

    SIMPLE = "simple"
    """Every good attempt, with its results."""
    SIBLING = "sibling"
    """The plans of what was already made from the same parent, buggy or not; for a draft, the drafts."""
    ANCESTRAL = "ancestral"
    """The attempt itself and the buggy ones it came from: the debugging done so far."""
    NONE = "none"


class AiraConfig(BaseModel):
    """`[plugin.scaffold.aira]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: Annotated[int, Field(ge=1)] = 500
    """Attempts at most. Each takes at least two of the episode's turns, so `run.max_turns` ends most searches."""
    num_drafts: Annotated[int, Field(ge=1)] = 5
    """Drafts before anything is debugged or improved."""
    debug_prob: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Chance of debugging a buggy leaf, when there is one, before the best attempt is improved."""
    max_debug_depth: Annotated[int, Field(ge=0)] = 20
    """A buggy leaf behind more debugging steps in a row than this is left alone; a draft counts as the first."""
    memory: Memory = Memory.SIMPLE
    """Of the draft and improve operators."""
    debug_memory: Memory = Memory.ANCESTRAL
    """Of the debug operator."""
    use_complexity: bool = False
    """Ask for simple, then normal, then complex ideas, the more drafts there are or the more often an attempt has been
    improved. AIRA-dojo's prompts know these cues; its released greedy configuration leaves them off."""
    data_preview: bool = True
    """Show what the files look like; else only their names."""
    tries: Annotated[int, Field(ge=1)] = 3
    """Replies in a row without a program before the search goes on without one."""
    select_by: Selection = Selection.VALIDATION
    """Which score tells the best attempt. `public_board` holds only where the run's feedback is `public_board`; under
    any other feedback the validation score decides."""

    def search(self, *, board: bool) -> Search:
        """The settings of the search policy, where the board's scores are told or not."""
        return Search(
            drafts=self.num_drafts,
            debug_probability=self.debug_prob,
            max_debug_depth=self.max_debug_depth,
            draft_depth=DRAFT_DEPTH,
            select_by=self.select_by if board else Selection.VALIDATION,
        )
