"""What can be configured about AIDE. The defaults are those of the package `aideml` 0.2.2."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from sandmle.scaffolds.common.tree.journal import Selection
from sandmle.scaffolds.common.tree.search import Search


class AideConfig(BaseModel):
    """`[plugin.scaffold.aide]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: Annotated[int, Field(ge=1)] = 20
    """Attempts at most. Each takes at least two of the episode's turns, so `run.max_turns` ends most searches."""
    num_drafts: Annotated[int, Field(ge=1)] = 5
    """Drafts before anything is debugged or improved."""
    debug_prob: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Chance of debugging a buggy leaf, when there is one, before the best attempt is improved."""
    max_debug_depth: Annotated[int, Field(ge=0)] = 3
    """A buggy leaf behind more debugging steps in a row than this is left alone."""
    k_fold_validation: Annotated[int, Field(ge=1)] = 5
    """Folds of cross-validation that programs are told to use; 1 says nothing of it."""
    data_preview: bool = True
    """Show what the files look like; else only their names."""
    tries: Annotated[int, Field(ge=1)] = 3
    """Replies in a row that may be unreadable before the search goes on without."""
    select_by: Selection = Selection.VALIDATION
    """Which score tells the best attempt. `public_board` submits every attempt, and holds only where the run's
    feedback is `public_board`; under any other feedback the validation score decides."""

    def search(self, *, board: bool) -> Search:
        """The settings of the search policy, where the board's scores are told or not."""
        return Search(
            drafts=self.num_drafts,
            debug_probability=self.debug_prob,
            max_debug_depth=self.max_debug_depth,
            select_by=self.select_by if board else Selection.VALIDATION,
        )
