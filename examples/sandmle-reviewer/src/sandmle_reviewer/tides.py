"""`tides/roles`: plays every role by rule, reading nothing but the prompt it is sent.

A rule family of one's own needs no more than this: someone who plans it, programs it, stands on its board and describes
it. A language model does the same when the plan it is asked for names the family.
"""

import json
import random
import re
from collections.abc import Sequence
from importlib import resources
from string import Template
from typing import Any

from sandmle import ConfigError, Message, ModelReply, ReplyOptions, Usage
from sandmle.core.contracts.llm import ChatModel

MODEL = "tides/roles"
FAMILY = "tidal-beat"
PLACES = (
    ("Water level at a river lock", "inland shipping"),
    ("Depth over the harbour sill", "port operations"),
    ("Height of swell in a tidal basin", "coastal protection"),
    ("Gauge of an estuary ferry landing", "public transport"),
    ("Surface of a brackish oyster pond", "aquaculture"),
)
COLUMNS = (
    ("reading", "id", "number of the reading"),
    ("hour", "number", "hours since the gauge was set"),
    ("wind", "number", "onshore wind, standardized"),
    ("depth", "number", "depth of the channel, metres"),
    ("height", "target", "height of the water, decimetres"),
)
PERIODS = ((), (24.8,), (12.4,), (12.4, 24.8))
"""What the members of the population know of the tides, the least first."""


class Tides:
    """The provider."""

    def open_model(self, model: str) -> ChatModel:
        """Open the one model there is.

        Raises:
            ConfigError: it is asked for another.
        """
        if model != MODEL:
            raise ConfigError(f"no model {model!r}; did you mean {MODEL!r}?")
        return _Player()


class _Player:
    """Answers from the conversation alone: the same conversation gets the same answer."""

    name = MODEL

    async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        prompt = next((one.content for one in messages if one.content.startswith("# Role: ")), "")
        words = sum(len(message.content.split()) for message in messages)
        text = _answer(prompt)
        return ModelReply(text=text, usage=Usage(prompt_tokens=words, completion_tokens=len(text.split())))

    async def close(self) -> None:
        """There is nothing to close."""


def _answer(prompt: str) -> str:
    role = prompt.partition("\n")[0].removeprefix("# Role: ").strip()
    if role == "data-strategist":
        return json.dumps(_plan(_number(prompt, "rng_seed"), _number(prompt, "index")))
    if role == "reviewer":
        return json.dumps({"verdict": "accept", "concerns": []})
    if role == "ml-developer":
        return json.dumps({"script": _text("generator.txt").substitute(_figures(prompt))})
    if role == "mlops-engineer":
        return json.dumps(_evaluation())
    if role == "technical-writer":
        return json.dumps({"description": _description(prompt)})
    return "I play the roles of the synthesizer and nothing else."


def _plan(rng_seed: int, index: int) -> dict[str, Any]:
    rng = random.Random(rng_seed)
    title, domain = PLACES[index % len(PLACES)]
    figures = {
        "level": round(rng.uniform(30, 60), 2),
        "slope": round(rng.uniform(0.3, 0.8), 2),
        "high": round(rng.uniform(3, 6), 2),
        "low": round(rng.uniform(2, 4), 2),
        "noise": round(rng.uniform(0.8, 1.2), 2),
    }
    return {
        "title": title,
        "domain": domain,
        "scenario": "A harbour master plans which ships may pass. One row is one reading of a gauge on some day.",
        "modality": "tabular",
        "task_type": "regression",
        "metric": "rmse",
        "train_rows": 150,
        "public_board_rows": 200,
        "private_board_rows": 1000,
        "columns": [{"name": name, "kind": kind, "meaning": meaning} for name, kind, meaning in COLUMNS],
        "rule_family": FAMILY,
        "hidden_rule": f"Two tides of 12.4 and 24.8 hours beat on a level that rises with depth. {json.dumps(figures)}",
        "noise_families": ["gaussian"],
        "noise": f"Gaussian noise of standard deviation {figures['noise']} is added to the height.",
    }


def _evaluation() -> dict[str, Any]:
    solution = _text("solution.txt")
    members = []
    for knows, periods in enumerate(PERIODS):
        for rows in (150, 40, 20):
            for trust in (1.0, 0.6):
                name = f"tides-{knows}-rows-{rows}-trust-{round(10 * trust)}"
                code = solution.substitute(periods=repr(periods), rows=rows, ridge=1.0, trust=trust)
                members.append({"name": name, "code": code})
    return {
        "metric": "rmse",
        "id_column": "reading",
        "target_columns": ["height"],
        "prediction": "value",
        "classes": [],
        "solutions": members,
    }


def _description(prompt: str) -> str:
    title = re.search(r'"title": "([^"]+)"', prompt)
    lines = [f"- `{name}`: {meaning}" for name, _, meaning in COLUMNS]
    return "\n".join(
        [
            f"# {title[1] if title else 'Water levels'}",
            "",
            "A harbour master plans which ships may pass. One row is one reading of a gauge. Predict `height` for the",
            "rows of `test.csv` from what `train.csv` holds, and write them in the form of `sample_submission.csv`.",
            "",
            *lines,
            "",
            "Submissions are scored by rmse; lower is better. The gauge is not free of noise.",
        ]
    )


def _figures(prompt: str) -> dict[str, float]:
    """What the plan wrote behind its rule; it stands in the prompt as JSON inside JSON."""
    found = re.search(r'\{\\"level\\".*?\}', prompt)
    figures: dict[str, float] = json.loads(found[0].replace('\\"', '"')) if found else {}
    return figures


def _number(prompt: str, name: str) -> int:
    found = re.search(rf'"{name}": ([0-9]+)', prompt)
    return int(found[1]) if found else 0


def _text(name: str) -> Template:
    return Template((resources.files("sandmle_reviewer") / name).read_text("utf-8"))
