"""The suite of rule families takes a sound one, and says of others what is wrong with them."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from sandmle.core.conformance.rule import check_rule_family
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.contracts.synthesis import RuleDraw
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import PluginError
from sandmle.core.hooks.registry import Kind


class Bent:
    """The target follows from the square of one column."""

    name = "bent"
    task_types: tuple[str, ...] = ("classification", "regression")

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    def draw(self, rng: Random) -> RuleDraw:
        factor = round(rng.uniform(1, 2), 3)
        drawn = RuleDraw(
            domain="joinery",
            row="board",
            purpose="A joiner wants to know which boards will warp.",
            title="Warp of boards",
            columns=(("width", "number", "width, centimetres"), ("age", "number", "age, years")),
            target=("warp", "warp, millimetres"),
            sentence=f"{factor} times the square of width, and age.",
            script=f"""
clean = pd.DataFrame({{"width": rng.uniform(-1, 1, ROWS), "age": rng.uniform(0, 1, ROWS)}})
signal = {factor} * clean["width"] ** 2 + clean["age"]
""",
            full='X = np.column_stack([both["width"] ** 2, both["age"]])',
            partial='X = both[["age"]].to_numpy()',
            classes=("flat", "fair", "bent", "bad"),
        )
        return replace(drawn, **self.changes)


class Forgetful(Bent):
    """Draws from something of its own."""

    def draw(self, rng: Random) -> RuleDraw:
        self.count = getattr(self, "count", 0) + 1
        return super().draw(Random(self.count))


class Stubborn(Bent):
    def draw(self, rng: Random) -> RuleDraw:
        return super().draw(Random(1))


class Wordy(Bent):
    def draw(self, rng: Random) -> Any:
        return "width squared"


class Everywhere(Bent):
    task_types = ("regression", "forecasting")


@pytest.mark.parametrize(
    ("family", "words"),
    [
        (Forgetful(), "two rules from the same draw"),
        (Stubborn(), "the same rule 3 times"),
        (Wordy(), r"draw\(\) gave a str"),
        (Everywhere(), "task_types is"),
        (Bent(columns=(("no name", "number", "x"),)), "'no name' is no name of a column"),
        (Bent(columns=(("warp", "number", "x"),)), "names of their own"),
        (Bent(columns=(("width", "image", "x"),)), "not image"),
        (Bent(classes=("flat", "bent")), "4 names of classes"),
        (Bent(value=(1.0, 1.0)), "at least four spreads"),
        (Bent(purpose=" "), "purpose is empty"),
        (Bent(domain={1, 2}), "cannot be written as JSON"),
        (object(), "it has no `draw`"),
    ],
)
async def test_what_is_wrong_with_a_draw_is_said_before_any_line_is_run(family: Any, words: str) -> None:
    sandbox: Sandbox = open_toolkit().make(Kind.SANDBOX, "process")
    with pytest.raises(PluginError, match=words):
        await check_rule_family(family, sandbox)


async def test_lines_are_run_and_what_is_wrong_with_them_is_said() -> None:
    wrong = {
        r"lacks the columns \['girth'\]": {"columns": (("width", "number", "x"), ("girth", "number", "y"))},
        "who knows the rule has to explain most": {"full": "X = both"},
        "who knows half of the rule has to explain less": {"partial": Bent().draw(Random(0)).full},
        "not finite": {"full": "X = np.log(-both)"},
        "partial: `X` has the shape": {"partial": "X = [0.0]"},
        "`signal` has the shape": {"script": "clean = pd.DataFrame({'width': [1] * ROWS, 'age': 2}); signal = 1"},
        "plank": {"script": "raise KeyError('plank')"},
    }
    sandbox: Sandbox = open_toolkit().make(Kind.SANDBOX, "process")
    try:
        await sandbox.start()
        await check_rule_family(Bent(), sandbox)
        for words, changes in wrong.items():
            with pytest.raises(PluginError, match=words):
                await check_rule_family(Bent(**changes), sandbox)
    finally:
        await sandbox.close()
