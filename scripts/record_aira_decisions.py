"""Records what AIRA-dojo's own greedy solver does when a scripted model drives it: prompts, operators and attempts.

Run where the packages that its solver imports can be imported (hydra-core, omegaconf, dataclasses_json, humanize,
black, numpy, jinja2), with the folder `src` of a checkout of https://github.com/facebookresearch/aira-dojo as the
second argument; no model is asked:

    python scripts/record_aira_decisions.py tests/scaffolds/aira/decisions.json aira-dojo/src

The solver, its operators, memories and prompts are the peer's; its clients of models, its logger and its export of
results are not loaded. What is written holds the script of the model and the decisions of the solver, none of its
prompts and none of its code. `tests/scaffolds/aira/test_decisions.py` plays the same script to our scaffold.
"""

import json
import random
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jinja2
from omegaconf import OmegaConf
from scripted_search import Script, marks_of

STEPS = 16
SETTINGS = (
    {"num_drafts": 5, "debug_prob": 1.0, "max_debug_depth": 20, "memory": "simple", "use_complexity": False},
    {"num_drafts": 5, "debug_prob": 0.5, "max_debug_depth": 3, "memory": "sibling", "use_complexity": True},
    {"num_drafts": 2, "debug_prob": 0.7, "max_debug_depth": 1, "memory": "none", "use_complexity": True},
    {"num_drafts": 1, "debug_prob": 1.0, "max_debug_depth": 2, "memory": "simple", "use_complexity": True},
)
SEEDS = (1, 2, 3)
MEMORIES = {
    "simple": SimpleNamespace(
        memory_processor="simple_memory", memory_op_kwargs={"only_plans": False, "include_buggy_nodes": False}
    ),
    "sibling": SimpleNamespace(
        memory_processor="sibling_memory",
        memory_op_kwargs={"only_plans": True, "include_buggy_nodes": True, "include_code": False},
    ),
    "none": SimpleNamespace(memory_processor="no_memory", memory_op_kwargs={}),
    "ancestral": SimpleNamespace(memory_processor="ancestral_memory", memory_op_kwargs={}),
}
VALID_EVERY = 4
"""Of so many programs that run, by their number, all but one write a submission that passes the check."""


def load_solver(source: Path) -> ModuleType:
    """The peer's module of the greedy solver, with silence in place of what speaks to models, disks and loggers."""
    sys.path.insert(0, str(source))

    def nothing(*_: Any, **__: Any) -> Any:
        return {}

    logger = SimpleNamespace(info=nothing, debug=nothing, warning=nothing, error=nothing, log=nothing)
    silent = {
        "dojo.utils.logger": {"get_logger": lambda: logger, "LogEvent": object, "CollectiveLogger": object},
        "dojo.core.solvers.llm_helpers.generic_llm": {"GenericLLM": object},
        "dojo.core.solvers.utils.search_exporter": {"export_search_results": nothing},
    }
    for name, contents in silent.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(contents)
    # Its modules import one another in a circle, which only opens from here.
    import_module("dojo.config_dataclasses.solver")
    return import_module("dojo.solvers.greedy.greedy")


class Speaker:
    """The scripted model behind each operator: renders the peer's own prompt and notes what it shows."""

    def __init__(self, source: Path, script: Script, calls: list[str]) -> None:
        prompts = source / "dojo" / "configs" / "solver" / "operators" / "mlebench"
        folders = {
            "analyze": "aide_operators",
            "draft": "aira_operators",
            "improve": "aira_operators",
            "debug": "aira_operators",
        }
        self._prompts = {
            name: jinja2.Template(_template(prompts / folder / f"{name}.yaml", name))
            for name, folder in folders.items()
        }
        self._script = script
        self._calls = calls

    def speak(self, operator: str, *, query_data: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        """One reply."""
        cue = query_data.get("draft_complexity") or query_data.get("improve_complexity") or ""
        marks = marks_of(self._prompts[operator].render(query_data))
        self._calls.append(f"{operator}{f' ({cue})' if cue else ''}: {marks}".strip())
        return (self._script.review() if operator == "analyze" else self._script.reply()), {}


def _template(path: Path, operator: str) -> str:
    text: str = OmegaConf.load(path)[operator].system_message_prompt_template.template
    return text


class World:
    """The task: runs what the script says a program does, and checks its submission."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def step_task(self, state: Any, code: str) -> tuple[Any, dict[str, Any]]:
        """What the peer's task gives back for a program."""
        output, failed = self._script.run(code)
        valid = not failed and int(output.split()[-1]) % VALID_EVERY != 0
        result = SimpleNamespace(term_out=[output], exec_time=0.1, exit_code=int(failed))
        verdict = "The submission is valid." if valid else "The submission is invalid."
        return state, {"execution_output": result, "valid_solution": valid, "valid_solution_feedback": verdict}


def record(greedy: ModuleType, source: Path, setting: dict[str, Any], seed: int) -> dict[str, Any]:
    """Play one script to the peer's solver."""
    script, calls = Script(seed), list[str]()
    # The stream of an episode: its first number makes the stream for wording, the rest is the search's.
    choices = random.Random(seed)
    wording = random.Random(choices.getrandbits(64))
    greedy.random = SimpleNamespace(random=choices.random, choice=choices.choice)
    for name in ("draft", "improve", "debug"):
        sys.modules[f"dojo.core.solvers.operators.{name}"].random = SimpleNamespace(shuffle=wording.shuffle)
    speaker = Speaker(source, script, calls)

    class Solver(greedy.Greedy):
        """The peer's solver, asking the scripted model and saving nothing."""

        def setup_operators(self) -> None:
            ask: Callable[[str], Any] = lambda name: partial(speaker.speak, name)  # noqa: E731
            memory, debug_memory = (
                greedy.create_memory_op(self.cfg.memory),
                greedy.create_memory_op(self.cfg.debug_memory),
            )
            self.draft_fn = partial(greedy.draft_op, ask("draft"), self.cfg, memory)
            self.improve_fn = partial(greedy.improve_op, ask("improve"), self.cfg, memory)
            self.debug_fn = partial(greedy.debug_op, ask("debug"), self.cfg, debug_memory)
            self.analyze_fn = partial(greedy.analyze_op, ask("analyze"), self.cfg)

        def update_data_preview(self, state: Any) -> None:
            self.data_preview = "A table."

        def save_checkpoint(self) -> None:
            pass

    task = {"task_description": "Predict the target.", "lower_is_better": script.lower_is_better}
    solver = Solver(solver_settings(setting), task_info=task)
    _, _, best = solver(World(script), {})
    # The peer's journal begins with an empty root; attempts are counted without it.
    attempts = [attempt_of(node) for node in solver.journal.nodes[1:]]
    return {
        "setting": {**setting, "steps": STEPS},
        "seed": seed,
        "replies": script.replies,
        "outcomes": {str(number): outcome for number, outcome in script.outcomes.items()},
        "reviews": script.reviews,
        "calls": calls,
        "attempts": attempts,
        "best": best.step - 1 if best else None,
    }


def solver_settings(setting: dict[str, Any]) -> SimpleNamespace:
    """What the peer's solver is told: the setting, and bounds that a script never meets."""
    return SimpleNamespace(
        **{**setting, "memory": MEMORIES[setting["memory"]], "debug_memory": MEMORIES["ancestral"]},
        step_limit=STEPS + 1,
        time_limit_secs=10**9,
        execution_timeout=60,
        available_packages=["numpy", "pandas"],
        data_preview=False,
        max_llm_call_retries=3,
        use_test_score=False,
    )


def attempt_of(node: Any) -> list[Any]:
    """Operator, attempt it was made of, whether it failed, and score."""
    parent = node.parents[0]
    return [
        node.operators_used[0],
        parent.step - 1 if parent.step else None,
        bool(node.is_buggy),
        node.metric.value,
    ]


def main() -> None:
    """Record every scenario into the file named on the command line."""
    source = Path(sys.argv[2]).resolve()
    greedy = load_solver(source)
    scenarios = [record(greedy, source, setting, seed) for setting in SETTINGS for seed in SEEDS]
    lines = ",\n".join(json.dumps(one) for one in scenarios)
    Path(sys.argv[1]).write_text(f'{{"valid_every": {VALID_EVERY}, "scenarios": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
