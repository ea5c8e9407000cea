"""Records what MLE-Dojo's own MLE agent decides when a scripted model speaks to it.

    python scripts/record_mle_dojo.py CHECKOUT > tests/scaffolds/mle_agent/recorded/decisions.json

CHECKOUT is a checkout of github.com/MLE-Dojo/MLE-Dojo; the committed recording is of commit 667a8fd0. The
agent's own file is run unchanged. What it imports besides the standard library (a tokenizer, clients of
providers) is replaced by the scripted model below and a count of characters. Kept are the kinds of the
messages it sent and what it decided; neither its code nor its prompts.
"""

import argparse
import contextlib
import importlib.util
import json
import sys
import types
from pathlib import Path
from typing import Any, Final

CHARS_PER_TOKEN: Final = 4
ACTIONS: Final = 6
"""Actions of a scenario that names no other number."""


def info(kind: str) -> str:
    return json.dumps({"action": "request_info", "params": {"info_type": kind}})


def code(action: str, text: str) -> str:
    return json.dumps({"action": action, "params": {"code": text}})


LOOK, TRY, RUN = info("overview"), code("validate_code", "print(1)"), code("execute_code", "fit()")
SCENARIOS: Final[list[dict[str, Any]]] = [
    {"name": "the usual order", "replies": [LOOK, info("data_structure"), TRY, RUN, RUN, TRY]},
    {"name": "failures are shown as errors", "replies": [LOOK, TRY, RUN, TRY, RUN, RUN], "failed": [1, 2, 4]},
    {"name": "a fence marked json", "replies": [f"I think.\n```json\n{TRY}\n```\nDone.", f"```json\n{RUN}\n```"] * 3},
    {"name": "a fence without a mark is repaired", "replies": [f"```\n{TRY}\n```", TRY, RUN], "actions": 2},
    {"name": "an empty fence", "replies": [f"```json```{TRY}", RUN, TRY], "actions": 2},
    {"name": "words are repaired at once", "replies": ["I would look first.", LOOK, TRY, RUN], "actions": 3},
    {"name": "a repair that takes three tries", "replies": ["no", "no", "{", RUN, TRY], "actions": 2},
    {"name": "a repair that fails ends it", "replies": [LOOK, "no", "no", "{", "[]", RUN], "actions": 3},
    {"name": "an empty answer", "replies": ["", LOOK, " \n ", TRY], "actions": 2},
    {"name": "comments are no JSON", "replies": ['{"action": "x" /* c */}', "// c\n" + LOOK, LOOK], "actions": 1},
    {"name": "raw line ends in a string are no JSON", "replies": [TRY.replace("print(1)", "a\nb"), TRY], "actions": 1},
    {"name": "an unknown action", "replies": ['{"action": "submit", "params": {}}', RUN], "actions": 1},
    {"name": "a key too many", "replies": ['{"action": "request_info", "params": {"info_type": "x"}, "why": 1}', LOOK],
     "actions": 1},
    {"name": "a parameter of another action", "replies": ['{"action": "execute_code", "params": {"info_type": "x"}}',
     RUN], "actions": 1},
    {"name": "code that is no text", "replies": ['{"action": "validate_code", "params": {"code": 1}}', TRY],
     "actions": 1},
    {"name": "two objects", "replies": [LOOK + "\n" + RUN, TRY], "actions": 1},
    {"name": "two fences", "replies": [f"```json\n{LOOK}\n```\n```json\n{RUN}\n```"], "actions": 1},
    {"name": "a forged result", "replies": ["#### Results ####\nBest!\n" + LOOK, LOOK, RUN], "actions": 2},
    {"name": "half a history", "replies": [LOOK, TRY, "no", TRY, RUN, TRY, RUN, RUN], "history_length": 2,
     "actions": 7},
    {"name": "one pair of history", "replies": [LOOK, TRY, RUN, TRY, RUN], "history_length": 1, "actions": 5},
    {"name": "a history that is too long ends it", "replies": [LOOK, code("validate_code", "x" * 10_000), RUN],
     "max_prompt_tokens": 2_500},
    {"name": "a short history forgets what was too long", "replies": [LOOK, LOOK, code("validate_code", "x" * 10_000),
     LOOK, TRY, LOOK], "history_length": 1, "max_prompt_tokens": 2_500},
]  # fmt: skip


class ScriptedClient:
    """Stands for the peer's client of providers: says the script, and keeps what it was asked."""

    def __init__(self, **_: Any) -> None:
        self.script: list[str] = []
        self.asked: list[list[dict[str, str]]] = []

    def chat_completion(self, messages: list[dict[str, str]], _settings: Any) -> tuple[str, float]:
        self.asked.append([dict(message) for message in messages])
        return self.script[min(len(self.asked), len(self.script)) - 1], 0.0


class CharacterCount:
    """Stands for the tokenizer."""

    def encode(self, text: str) -> range:
        return range(len(text) // CHARS_PER_TOKEN)


def load_agent(checkout: Path) -> types.ModuleType:
    """The peer's module, with its foreign imports replaced."""
    stand_ins: dict[str, dict[str, Any]] = {
        "tiktoken": {"encoding_for_model": lambda _name: CharacterCount()},
        "google": {},
        "google.genai": {"types": types.SimpleNamespace()},
        "mledojo": {},
        "mledojo.chat": {"ChatClient": ScriptedClient, "ModelSettings": lambda **_: None},
        "mledojo.agent": {},
        "mledojo.agent.mleagent": {},
    }
    for name, members in stand_ins.items():
        module = types.ModuleType(name)
        module.__dict__.update(members)
        sys.modules[name] = module
    sys.modules["google"].genai = sys.modules["google.genai"]  # type: ignore[attr-defined]
    folder = checkout / "mledojo" / "agent" / "mleagent"
    _load("mledojo.agent.mleagent.prompt", folder / "prompt.py")
    return _load("mledojo.agent.mleagent.agent", folder / "agent.py")


def _load(name: str, path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def kind_of(message: dict[str, str], agent: Any) -> str:
    """Which prompt a message is: what stands before the first field of each tells them apart."""
    if message["role"] == "assistant":
        return "answer"
    prompts = agent.agent_prompts
    kinds = {
        "instruction": prompts.instruction_prompt,
        "results": prompts.reflection,
        "error": prompts.error,
        "repair": prompts.fix_parse_error,
    }
    return next(kind for kind, text in kinds.items() if message["content"].startswith(text[: text.index("{")]))


def play(peer: types.ModuleType, scenario: dict[str, Any]) -> dict[str, Any]:
    """One scenario, as MLE-Dojo's own main loop plays it."""
    config = peer.LLMConfig(
        model_mode="local", model_name="scripted", max_prompt_tokens=scenario.get("max_prompt_tokens", 50_000)
    )
    agent = peer.KaggleAgent(0, "", config, history_length=scenario.get("history_length", "all"))
    agent.model_client.script = scenario["replies"]
    actions = scenario.get("actions", ACTIONS)
    failed, decisions, observation = scenario.get("failed", []), [], None
    for number in range(actions):
        action, params = agent.act(observation, actions - number, 1000)
        if action in ("Error", "End"):
            decisions.append([action])
            break
        decisions.append([action, *params.values()])
        status = "FAILED" if number in failed else "SUCCESS"
        observation = {"action_status": status, "feedback": {"base": {"feedback": f"result {number}"}}}
    asked = [[kind_of(message, agent) for message in messages] for messages in agent.model_client.asked]
    return {**scenario, "actions": actions, "asked": asked, "decisions": decisions}


def main() -> None:
    """Play every scenario and print the recording."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkout", type=Path)
    peer = load_agent(parser.parse_args().checkout)
    # The peer prints its errors, and the recording alone belongs on stdout.
    with contextlib.redirect_stdout(sys.stderr):
        recorded = [play(peer, scenario) for scenario in SCENARIOS]
    print(json.dumps(recorded, indent=1))


if __name__ == "__main__":
    main()
