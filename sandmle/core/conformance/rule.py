"""The checks that every `RuleFamily` has to pass. Shipped to plugin authors."""

import json
import re
from dataclasses import asdict
from random import Random
from typing import Final

from sandmle.core.conformance.shape import check_shape
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.contracts.synthesis import RuleDraw, RuleFamily
from sandmle.core.errors import PluginError, boundary
from sandmle.core.types.sandbox import CellStatus, SandboxLimits

TASK_TYPES: Final = ("classification", "regression", "ranking")
CLASSES: Final = 4
DRAWS: Final = 3
"""Rules that are drawn and whose lines are run."""
TIMEOUT_S: Final = 120.0
_COLUMN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_HEAD: Final = """import numpy as np
import pandas as pd

rng = np.random.default_rng({seed})
ROWS = 400
"""
_TAIL: Final = """
names = {names!r}
missing = [name for name in names if name not in clean.columns]
assert len(clean) == ROWS, f"script: `clean` has {{len(clean)}} rows; give it ROWS"
assert not missing, f"script: `clean` lacks the columns {{missing}}"
signal = np.asarray(signal, dtype=float)
assert signal.shape == (ROWS,), f"script: `signal` has the shape {{signal.shape}}; give ROWS numbers"
assert np.isfinite(signal).all() and signal.std() > 0, "script: `signal` has to be finite, and not the same everywhere"
told = dict(np=np, pd=pd, both=clean[names].copy())
"""
_SOLVED: Final = """
found = dict(told)
exec({lines!r}, found)
X = np.asarray(found["X"], dtype=float)
assert X.ndim == 2 and len(X) == ROWS, f"{level}: `X` has the shape {{X.shape}}; give a row for each of `both`"
assert np.isfinite(X).all(), "{level}: `X` holds values that are not finite"
A = np.column_stack([np.ones(ROWS), X])
left = signal - A @ np.linalg.lstsq(A, signal, rcond=None)[0]
{level} = 1 - left.var() / signal.var()
"""
_COMPARED: Final = """
told = f"a linear model of `X` explains {full:.2f} of the signal, and with the partial lines {partial:.2f}"
assert full > 0.5, f"full: {told}; who knows the rule has to explain most of it"
assert full > partial, f"partial: {told}; who knows half of the rule has to explain less"
"""


async def check_rule_family(family: RuleFamily, sandbox: Sandbox) -> None:
    """Draw rules, and run their lines as a generator and as solutions do.

    Args:
        family: made once as for a run.
        sandbox: started; the lines run in it.

    Raises:
        PluginError: it breaks a promise of the contract; the message says which.
        SandboxError: the sandbox failed.
    """
    what = f"rule family {getattr(family, 'name', '?')!r}"
    check_shape(family, RuleFamily, what)
    strange = [one for one in family.task_types if one not in TASK_TYPES]
    if strange or not family.task_types:
        raise PluginError(f"{what}: task_types is {family.task_types!r}; give some of {', '.join(TASK_TYPES)}")
    drawn = [_drawn(family, seed, what) for seed in range(DRAWS)]
    if _drawn(family, 0, what) != drawn[0]:
        raise PluginError(f"{what} drew two rules from the same draw; take chance from `rng` only")
    if all(one == drawn[0] for one in drawn):
        raise PluginError(f"{what} drew the same rule {DRAWS} times; tasks of one family have to differ")
    for seed, draw in enumerate(drawn):
        if problem := _problem(draw, family):
            raise PluginError(f"{what}: {problem}")
        await _run(draw, seed, sandbox, what)


def _drawn(family: RuleFamily, seed: int, what: str) -> RuleDraw:
    with boundary(PluginError, f"{what} failed in its draw()"):
        drawn: object = family.draw(Random(seed))
    if not isinstance(drawn, RuleDraw):
        raise PluginError(f"{what}: draw() gave a {type(drawn).__name__}; give a sandmle RuleDraw")
    return drawn


def _problem(draw: RuleDraw, family: RuleFamily) -> str | None:
    try:
        json.dumps(asdict(draw))
    except (TypeError, ValueError) as problem:
        return f"its draw cannot be written as JSON ({problem}); give text and numbers only"
    names = [name for name, _, _ in draw.columns]
    asked = [*names, draw.target[0]]
    wrong = next((name for name in asked if not _COLUMN.fullmatch(name)), None)
    if wrong is not None:
        return f"{wrong!r} is no name of a column; begin with a letter, then letters, digits and underscores"
    if len(set(asked)) != len(asked) or not names:
        return f"columns and target must have names of their own, and there must be columns: {asked}"
    if kinds := {kind for _, kind, _ in draw.columns} - {"number", "category"}:
        return f"kinds of columns are `number` and `category`, not {', '.join(sorted(kinds))}"
    if "classification" in family.task_types and len(set(draw.classes)) != CLASSES:
        return f"a classification needs {CLASSES} names of classes, from low to high, not {list(draw.classes)}"
    if draw.value[1] <= 0 or draw.value[0] < 4 * draw.value[1]:
        return f"value is {draw.value}: the spread has to be positive, and the middle at least four spreads"
    empty = next((key for key, value in asdict(draw).items() if isinstance(value, str) and not value.strip()), None)
    return None if empty is None else f"{empty} is empty"


async def _run(draw: RuleDraw, seed: int, sandbox: Sandbox, what: str) -> None:
    names = [name for name, _, _ in draw.columns]
    solved = "".join(_SOLVED.format(lines=getattr(draw, level), level=level) for level in ("full", "partial"))
    code = "".join([_HEAD.format(seed=seed), draw.script, "\n", _TAIL.format(names=names), solved, _COMPARED])
    async with sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
        result = await session.run(code, TIMEOUT_S)
    if result.status is CellStatus.DIED:
        await sandbox.check_health()
    if result.status is not CellStatus.OK:
        raise PluginError(f"{what}: its lines failed ({result.status.value}):\n{result.stderr.strip()[-2000:]}")
