"""The AIDE graph: look at the data, then choose, write, run and review, until the steps are used up.

    prepare ─▶ choose ─▶ draft | debug | improve ─▶ execute ─▶ (board) ─▶ review ─▶ choose

What every tree search does stands in `common/tree/graph.py`; here is what AIDE does in its own way. An attempt's
submission is looked at only where the public board is to tell which one is best.
"""

import random
from functools import partial
from typing import Any, Literal

from langgraph.runtime import Runtime

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.trajectory import FeedbackMode
from sandmle.scaffolds.aide.config import AideConfig
from sandmle.scaffolds.aide.render import AideRenderer
from sandmle.scaffolds.common.tree.bench import Bench
from sandmle.scaffolds.common.tree.graph import TreeGraph, TreeRun, TreeState, judge, tree_graph
from sandmle.scaffolds.common.tree.graph import execute as execute_program
from sandmle.scaffolds.common.tree.journal import Selection


def open_run(episode: EpisodeContext, config: AideConfig) -> TreeRun:
    """A run at its beginning. The first number of the episode's stream makes the stream for wording."""
    return TreeRun(
        episode=episode,
        search=config.search(board=episode.feedback is FeedbackMode.PUBLIC_BOARD),
        bench=Bench(episode, "aide"),
        wording=random.Random(episode.rng.getrandbits(64)),
        make_renderer=partial(AideRenderer.of, episode, config),
        steps=config.steps,
        tries=config.tries,
        review_tries=config.tries,
        needs_plan=True,
        data_preview=config.data_preview,
    )


async def execute(state: TreeState, runtime: Runtime[TreeRun]) -> dict[str, Any]:
    # As long as no attempt is good, what was written last is better than nothing.
    await execute_program(runtime.context, put=not runtime.context.journal.good)
    return {}


async def review(state: TreeState, runtime: Runtime[TreeRun]) -> dict[str, Any]:
    await judge(runtime.context, "review")
    return {}


async def after_execution(state: TreeState, runtime: Runtime[TreeRun]) -> Literal["board", "review"]:
    run = runtime.context
    ran = run.attempt is not None and not run.attempt.failed
    return "board" if ran and run.search.select_by is Selection.PUBLIC_BOARD else "review"


def build_graph() -> TreeGraph:
    """Compile the graph; one compiled graph serves any number of episodes."""
    return tree_graph(
        execute=execute, after_execution=after_execution, submit_as="board", review=review, review_as="review"
    )
