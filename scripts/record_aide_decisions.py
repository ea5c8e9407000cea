"""Records what AIDE's own agent does when a scripted model drives it: which prompts, operators and attempts, in order.

Run where the package `aideml` can be imported; nothing else is needed, and no model is asked:

    python scripts/record_aide_decisions.py tests/scaffolds/aide/decisions.json

What is written holds the script of the model and the decisions of the agent, none of its prompts and none of its code.
`tests/scaffolds/aide/test_decisions.py` plays the same script to our scaffold and compares.
"""

import json
import random
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aide.agent
from aide.agent import Agent
from aide.backend.utils import compile_prompt_to_md
from aide.interpreter import ExecutionResult
from aide.journal import Journal
from scripted_search import Script, marks_of

STEPS = 16
SETTINGS = (
    {"num_drafts": 5, "debug_prob": 0.5, "max_debug_depth": 3},
    {"num_drafts": 5, "debug_prob": 1.0, "max_debug_depth": 3},
    {"num_drafts": 2, "debug_prob": 0.7, "max_debug_depth": 1},
    {"num_drafts": 1, "debug_prob": 0.0, "max_debug_depth": 0},
)
SEEDS = (1, 2, 3)


def kind_of(prompt: dict[str, Any], is_review: bool) -> str:
    """Which operator a prompt of the peer belongs to."""
    if is_review:
        return "review"
    if "Previous (buggy) implementation" in prompt:
        return "debug"
    return "improve" if "Previous solution" in prompt else "draft"


def executed(script: Script, code: str) -> ExecutionResult:
    """What running a program gives, as the peer's interpreter tells it."""
    output, failed = script.run(code)
    return ExecutionResult([output], 0.1, "ValueError" if failed else None)


def record(setting: dict[str, Any], seed: int, workspace: Path) -> dict[str, Any]:
    """Play one script to the peer's agent."""
    script, calls = Script(seed), []
    # The stream of an episode: its first number makes the stream for wording, the rest is the search's.
    choices = random.Random(seed)
    wording = random.Random(choices.getrandbits(64))
    aide.agent.random = SimpleNamespace(random=choices.random, choice=choices.choice, shuffle=wording.shuffle)

    def query(system_message: dict[str, Any], func_spec: Any = None, **_: Any) -> Any:
        kind = kind_of(system_message, func_spec is not None)
        calls.append(f"{kind}: {marks_of(compile_prompt_to_md(system_message))}".strip())
        return script.review() if func_spec else script.reply()

    aide.agent.query = query
    stage = SimpleNamespace(model="scripted", temp=0.5)
    agent_settings = SimpleNamespace(
        steps=STEPS,
        k_fold_validation=5,
        expose_prediction=False,
        data_preview=True,
        code=stage,
        feedback=stage,
        search=SimpleNamespace(**setting),
    )
    config = SimpleNamespace(agent=agent_settings, exec=SimpleNamespace(timeout=60), workspace_dir=workspace)
    journal = Journal()
    agent = Agent(task_desc="Predict the target.", cfg=config, journal=journal)
    for _ in range(STEPS):
        agent.step(lambda code, _: executed(script, code))
    best = journal.get_best_node()
    attempts = [
        [node.stage_name, node.parent.step if node.parent else None, bool(node.is_buggy), node.metric.value]
        for node in journal.nodes
    ]
    return {
        "setting": {**setting, "steps": STEPS},
        "seed": seed,
        "replies": script.replies,
        "outcomes": {str(number): outcome for number, outcome in script.outcomes.items()},
        "reviews": script.reviews,
        "calls": calls,
        "attempts": attempts,
        "best": best.step if best else None,
    }


def main() -> None:
    """Record every scenario into the file named on the command line."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "train.csv").write_text("id,target\n1,2\n")
        scenarios = [record(setting, seed, Path(folder)) for setting in SETTINGS for seed in SEEDS]
    lines = ",\n".join(json.dumps(one) for one in scenarios)
    Path(sys.argv[1]).write_text(f'{{"aideml": "{version("aideml")}", "scenarios": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
