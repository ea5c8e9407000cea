"""Whether a description says what it must (columns, metric) and keeps what it must not say (the rule)."""

import re
from collections.abc import Iterator
from typing import Final

from sandmle.core.types.synthesis import Strategy

MAX_DESCRIPTION: Final = 20_000
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_RUN_OF_WORDS: Final = 6
"""That many words in a row, shared by rule and description, are a quotation and no accident."""
_INNOCENT_RUN: Final = 4
"""A quotation that shares this many words in a row with what may be said (scenario, meanings) is no quotation."""
_WORD: Final = re.compile(r"[a-z0-9_]+(?:\.[0-9]+)?")
_RUN_OF_FORMULA: Final = 5
"""That many tokens of a formula in a row, such as `3 * film - 2`, with two operators among them."""
_TOKEN: Final = re.compile(r"[a-z0-9_.]*[a-z0-9_]|[-*+/^<>=]+")


def check_description(description: str, strategy: Strategy) -> list[str]:
    """Everything that is wrong with a description, each as one line for its writer."""
    unfit = ["write plain text, without control characters"] if _CONTROL.search(description) else []
    return [*unfit, *missing_names(description, strategy), *rule_words(description, strategy)]


def missing_names(description: str, strategy: Strategy) -> Iterator[str]:
    """Columns and the metric that the description does not name."""
    if len(description) > MAX_DESCRIPTION:
        yield f"the description has {len(description)} characters; at most {MAX_DESCRIPTION} are allowed"
    for column in strategy.columns:
        if not _names(description, column.name):
            yield f"column {column.name!r} is not named"
    if not _names(description, strategy.metric):
        yield f"the metric {strategy.metric!r} is not named"
    for name in ("train.csv", "test.csv", "sample_submission.csv"):
        if name not in description:
            yield f"the file {name} is not named"


def rule_words(description: str, strategy: Strategy) -> Iterator[str]:
    """Places where the description gives the hidden rule away."""
    spoken, rule = _words(description), _words(strategy.hidden_rule)
    family = strategy.rule_family.replace("-", " ")
    if f" {' '.join(_words(family))} " in f" {' '.join(spoken)} " and not _is_public(family, strategy):
        yield f"the name of the rule family, {strategy.rule_family!r}, is given away"
    columns = {column.name.lower() for column in strategy.columns}
    public = _runs(_words(_public_words(strategy)), _INNOCENT_RUN)
    shared = _runs(rule, _RUN_OF_WORDS) & _runs(spoken, _RUN_OF_WORDS)
    telling = sorted(
        run
        for run in shared
        if len(set(run) - columns) >= _RUN_OF_WORDS // 2 and not _runs(list(run), _INNOCENT_RUN) & public
    )
    if telling:
        yield f"a passage of the hidden rule is given away: {' '.join(telling[0])!r}"
    formulas = _formula_runs(strategy.hidden_rule) & _formula_runs(description)
    if formulas:
        yield f"a formula of the hidden rule is given away: {' '.join(min(formulas))!r}"


def _public_words(strategy: Strategy) -> str:
    """What may be said: a rule that repeats the meaning of a column must not forbid the meaning."""
    meanings = [column.meaning for column in strategy.columns]
    return " . ".join([strategy.title, strategy.domain, strategy.scenario, *meanings])


def _is_public(family: str, strategy: Strategy) -> bool:
    return f" {' '.join(_words(family))} " in f" {' '.join(_words(_public_words(strategy)))} "


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", text) is not None


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _runs(words: list[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + length]) for at in range(len(words) - length + 1)}


def _formula_runs(text: str) -> set[tuple[str, ...]]:
    tokens = _TOKEN.findall(text.lower())
    runs = (tuple(tokens[at : at + _RUN_OF_FORMULA]) for at in range(len(tokens) - _RUN_OF_FORMULA + 1))
    return {run for run in runs if _is_formula(run)}


def _is_formula(run: tuple[str, ...]) -> bool:
    operators = [token for token in run if not token[-1].isalnum() and token[-1] != "_"]
    # Hyphens alone are prose.
    return len(operators) >= 2 and any(set(token) != {"-"} for token in operators)
