"""The grid: the part of the program table that `sandmle tasks stats` runs on every task. Pure."""

from collections.abc import Mapping
from hashlib import sha256
from itertools import product
from types import MappingProxyType
from typing import Final

from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Prediction
from sandmle.plugins.llms.offline.demonstrator.programs import FEATURES, OUTPUTS, Program

GRID_MODELS: Final = ("sparse", "boosting")
"""One linear and one of trees: the others hardly ever earn a medal where neither of these does."""
_OUTPUT: Final[Mapping[Prediction, str]] = MappingProxyType(
    {
        Prediction.VALUE: "value",
        Prediction.LABEL: "label",
        Prediction.PROBABILITY: "probability",
        Prediction.LABELS: "probability",
    }
)


def grid() -> tuple[Program, ...]:
    """Every representation with two models and all outputs, gaps filled, first settings: 144 programs."""
    return tuple(
        Program(features=features, fill="median", model=model, setting="a", output=output)
        for features, model, output in product(FEATURES, GRID_MODELS, OUTPUTS)
    )


def asked_output(metric: str) -> str:
    """The output that a metric of the catalogue asks for; `rmsle` asks for a fit on its own scale.

    Raises:
        KeyError: no metric of that name.
    """
    return "log" if metric == "rmsle" else _OUTPUT[METRICS[metric].prediction]


def program_sha256(program: Program) -> str:
    """Hash of the program's text, which is what a stored result is a result of."""
    return sha256(program.code.encode()).hexdigest()
