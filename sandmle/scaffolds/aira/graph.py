"""The AIRA graph: look at the data, then choose, write, run, check and analyze, until the steps are used up.

    prepare ─▶ choose ─▶ draft | debug | improve ─▶ execute ─▶ check ─▶ analyze ─▶ choose

What every tree search does stands in `common/tree/graph.py`; here is what AIRA does in its own way. Unlike AIDE's, an
attempt is good only when its submission passes the environment's check, and what that check said stands below the
program's output for the operators to read. The crossover operator belongs to AIRA's evolutionary search; the greedy
one has none.
"""

import random
from functools import partial
from typing import Any, Literal

from langgraph.runtime import Runtime

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.trajectory import FeedbackMode
from sandmle.scaffolds.aira.config import AiraConfig
from sandmle.scaffolds.aira.render import AiraRenderer
from sandmle.scaffolds.common.tree.bench import Bench
from sandmle.scaffolds.common.tree.graph import TreeGraph, TreeRun, TreeState, judge, tree_graph
from sandmle.scaffolds.common.tree.graph import execute as execute_program


def open_run(episode: EpisodeContext, config: AiraConfig) -> TreeRun:
    """A run at its beginning. The first number of the episode's stream makes the stream for wording."""
    return TreeRun(
        episode=episode,
        search=config.search(board=episode.feedback is FeedbackMode.PUBLIC_BOARD),
        bench=Bench(episode, "aira"),
        wording=random.Random(episode.rng.getrandbits(64)),
        make_renderer=partial(AiraRenderer.of, episode, config),
        steps=config.steps,
        tries=config.tries,
        # Without a readable analysis an attempt counts as buggy.
        review_tries=1,
        needs_plan=False,
        data_preview=config.data_preview,
    )


async def execute(state: TreeState, runtime: Runtime[TreeRun]) -> dict[str, Any]:
    await execute_program(runtime.context, put=False)
    return {}


async def analyze(state: TreeState, runtime: Runtime[TreeRun]) -> dict[str, Any]:
    told = runtime.context.told
    # The analysis is of the program's own output; the operators see the check's verdict too.
    checked = "" if told is None else f"\n\nCheck of submission.csv: {told.verdict}"
    await judge(runtime.context, "analysis", valid=told is not None and told.valid, also_seen=checked)
    return {}


async def after_execution(state: TreeState, runtime: Runtime[TreeRun]) -> Literal["check", "analyze"]:
    attempt = runtime.context.attempt
    return "analyze" if attempt is None or attempt.failed else "check"


def build_graph() -> TreeGraph:
    """Compile the graph; one compiled graph serves any number of episodes."""
    return tree_graph(
        execute=execute, after_execution=after_execution, submit_as="check", review=analyze, review_as="analyze"
    )
