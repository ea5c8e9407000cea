"""What the Strategist decided, and how it survives the trip through the Strategy's text.

The rule and the noise are written as a sentence for people followed by one JSON object; the later roles read
that object back. Nothing else passes from one role to the next.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Prediction
from sandmle.plugins.llms.offline.roles.prompt import Question, Unanswerable

_MATERIAL: Final[Mapping[str, str]] = MappingProxyType(
    {"text": "text", "image": "image", "audio": "audio", "series": "series", "number": "tabular", "category": "tabular"}
)
"""Kind of column to what it makes of a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A Strategy, read back."""

    title: str
    modality: str
    task_type: str
    metric: str
    train: int
    public: int
    private: int
    columns: tuple[Mapping[str, str], ...]
    family: str
    rule: Mapping[str, Any]
    """`params` of the family, `target` (name, classes, shares, middle, spread), `softness` or `error`."""
    noise: Mapping[str, Mapping[str, Any]]
    """Noise family to its parameters."""
    shared_files: tuple[str, ...] = ()
    """Files that belong to no single row."""

    @property
    def id_column(self) -> str:
        return next(column["name"] for column in self.columns if column["kind"] == "id")

    @property
    def target(self) -> str:
        return next(column["name"] for column in self.columns if column["kind"] == "target")

    @property
    def targets(self) -> tuple[str, ...]:
        """Every target column, in file order: one, or several where several labels or values are asked for."""
        return self.names("target")

    @property
    def material(self) -> tuple[str, ...]:
        """What a row consists of: kinds of columns, `graph` for links between rows, `history` for lags."""
        kinds = {column["kind"] for column in self.columns}
        found = dict.fromkeys(one for kind, one in _MATERIAL.items() if kind in kinds)
        return (*found, *(("graph",) if self.shared_files else ()), *(("history",) if self.history else ()))

    @property
    def history(self) -> bool:
        """Whether a row is a history that is to be gone on with."""
        return "lags" in self.rule["params"]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the rule's order; empty for values."""
        return tuple(self.rule["target"].get("classes", ()))

    @property
    def prediction(self) -> Prediction:
        return METRICS[self.metric].prediction

    @property
    def log_scale(self) -> bool:
        """Whether the target is built, and best fitted, on a logarithmic scale."""
        return self.metric == "rmsle"

    def names(self, *kinds: str) -> tuple[str, ...]:
        """Names of the columns of these kinds, in file order."""
        return tuple(column["name"] for column in self.columns if column["kind"] in kinds)


def with_tail(sentence: str, tail: Mapping[str, Any]) -> str:
    """A sentence for people and the parameters for the next role."""
    return f"{sentence} Parameters: {json.dumps(tail, separators=(',', ':'), sort_keys=True)}"


def read_tail(text: str, where: str) -> dict[str, Any]:
    """The parameters behind a sentence.

    Raises:
        Unanswerable: there are none.
    """
    start = text.find("Parameters: {")
    try:
        if start < 0:
            raise ValueError("no parameters")
        value = json.loads(text[start + len("Parameters: ") :])
    except ValueError as problem:
        raise Unanswerable(f"The strategy's {where} ends in no 'Parameters: {{...}}' that can be read.") from problem
    if not isinstance(value, dict):
        raise Unanswerable(f"The strategy's {where} holds parameters that are not an object.")
    return value


def read_plan(question: Question) -> Plan:
    """The plan inside the block `## Strategy`.

    Raises:
        Unanswerable: the strategy is missing, or was not written by this player.
    """
    strategy = question.mapping("Strategy")
    try:
        rule = read_tail(strategy["hidden_rule"], "hidden_rule")
        return Plan(
            title=strategy["title"],
            modality=strategy["modality"],
            task_type=strategy["task_type"],
            metric=METRICS[strategy["metric"]].name,
            train=strategy["train_rows"],
            public=strategy["public_board_rows"],
            private=strategy["private_board_rows"],
            columns=tuple(strategy["columns"]),
            family=strategy["rule_family"],
            rule=_complete(rule),
            noise=read_tail(strategy["noise"], "noise"),
            shared_files=tuple(strategy.get("shared_files", ())),
        )
    except (KeyError, TypeError, AttributeError) as problem:
        raise Unanswerable(f"The strategy lacks what the {question.role} needs: {problem!r}.") from problem


def _complete(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(rule["params"], dict) or not isinstance(rule["target"], dict):
        raise TypeError("'params' and 'target' must be objects")
    return rule
