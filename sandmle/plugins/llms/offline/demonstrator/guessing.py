"""What a look would say of the files, guessed from what a prompt says of them: for where no look can be taken. Pure."""

import re
from typing import Final

from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Prediction
from sandmle.plugins.llms.offline.agent.facts import find_metric
from sandmle.plugins.llms.offline.demonstrator.look import FEATURE_RANKS, MODEL_RANKS
from sandmle.plugins.llms.offline.demonstrator.programs import FEATURES, FILLS, MODELS, OUTPUTS

_PICTURES: Final = ("pixels", "quarters", "waves", "marks")
_TEXTS: Final = ("words", "endings", "pairs", "first")
_TABLES: Final = ("num", "squares", "products", "steps", "sincos")
"""Representations that any table with numbers allows, whatever else is in it."""
_KIND: Final = r"^\| `[^`]+` \| {} \|"


def guess_from_description(text: str) -> str:
    """A look's lines, from the table of columns and the metric of a task's description."""
    kinds = {kind for kind in ("image", "text") if re.search(_KIND.format(kind), text, re.MULTILINE)}
    features = _PICTURES if "image" in kinds else _TEXTS if "text" in kinds else _TABLES
    metric = find_metric(text)
    values = metric in METRICS and METRICS[metric].prediction is Prediction.VALUE
    # Whoever cannot see whether there are gaps fills them.
    return _look(features, tuple(MODELS), gaps=features is _TABLES, values=values)


def guess_from_program(code: str) -> str | None:
    """A look's lines, from a program of the table that stands in a prompt; None when it is no such program."""
    features = _found(code, {name: lines for name, lines in FEATURES.items() if lines})
    output = _found(code, {name: one.before + one.after for name, one in OUTPUTS.items()}, whole=False)
    if features is None or output is None:
        return None
    values = OUTPUTS[output].task_type == "values"
    return _look((features,), tuple(MODELS), gaps=FILLS["median"] in code, values=values)


def _look(features: tuple[str, ...], models: tuple[str, ...], *, gaps: bool, values: bool) -> str:
    target = "values" if values else "two classes"
    head = (f"gaps: {'some' if gaps else 'none'}", f"target: {target}")
    listed = (*_with_ranks(features, FEATURE_RANKS), "models:", *_with_ranks(models, MODEL_RANKS))
    return "\n".join((*head, "features:", *listed))


def _with_ranks(names: tuple[str, ...], ranks: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for pair in zip(ranks, names, strict=False) for word in pair)


def _found(code: str, parts: dict[str, str], *, whole: bool = True) -> str | None:
    """The part whose lines all stand in the code; of several, the one that says most."""

    def stands(lines: str) -> bool:
        return lines in code if whole else all(line in code for line in lines.splitlines())

    fitting = [name for name, lines in parts.items() if stands(lines)]
    return max(fitting, key=lambda name: len(parts[name]), default=None)
