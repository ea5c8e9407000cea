"""Writes the agent's cells: snippets it needs, and a main part that says what this task is. Pure."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sandmle.plugins.llms.offline.agent.cells import with_snippets
from sandmle.plugins.llms.offline.agent.facts import Facts
from sandmle.plugins.llms.offline.agent.models import (
    Candidate,
    imports_for,
    searched_candidates,
    sensible_candidates,
)
from sandmle.plugins.llms.offline.agent.views import views_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one modelling cell is to go about it."""

    facts: Facts
    search: bool
    """Whether to search views and models and to blend, or to take the best of a few models on one view."""
    simple: bool = False
    """Whether earlier code failed, so that only the plainest way is taken."""
    leave_out: tuple[str, ...] = ()
    """Columns that made trouble."""


STAND_INS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "rmsle": "rmse",
        "median_ae": "mae",
        "mape": "mae",
        "smape": "mae",
        "pearson": "spearman",
        "ndcg": "spearman",
        "kendall_tau": "spearman",
        "f1_weighted": "accuracy",
        "mcc": "balanced_accuracy",
        "brier": "log_loss",
    }
)
"""Metric to the one that the agent chooses models by; the better way is the same."""


def measured_by(metric: str) -> str:
    """The metric that the agent measures its models by: the task's own, or what comes nearest to it."""
    return STAND_INS.get(metric, metric)


def look_cell() -> str:
    """The first look at the files."""
    return with_snippets("# stage: look", "look()")


def modelling_cell(plan: Plan, rng: random.Random, stage: str) -> str:
    """The cell that loads, featurizes, cross-validates, fits and writes the submission."""
    views = views_of(plan.facts, rich=plan.search and not plan.simple)
    if plan.facts.several:
        return with_snippets(f"# stage: {stage}", _several_main(plan, views))
    candidates = _candidates(plan, [name for name, _ in views], rng)
    main = [
        'import warnings\nwarnings.filterwarnings("ignore")',
        *imports_for([expression for _, expression, _ in candidates]),
        _loading(plan),
        *(code for _, code in views),
        _fitting(plan, candidates, rng),
        _writing(plan),
    ]
    return with_snippets(f"# stage: {stage}", "\n".join(main))


def fallback_cell(stage: str) -> str:
    """The sample submission itself: better than nothing when all else fails."""
    return (
        f"# stage: {stage}\nimport pandas as pd\n"
        "table = pd.read_csv('data/sample_submission.csv')\n"
        "table.to_csv('submission.csv', index=False)\nprint('WROTE submission.csv', table.shape)"
    )


def _opens_strings(plan: Plan) -> bool:
    return plan.facts.bare or (plan.search and not plan.simple)


def _loading(plan: Plan) -> str:
    facts = plan.facts
    leave_out = [facts.id_column, facts.target, *facts.text_columns, facts.picture_column, *plan.leave_out]
    left_out = sorted(set(filter(None, leave_out)))
    opening = f"train, test, periods = open_strings(train, test, {left_out!r})\n" if _opens_strings(plan) else ""
    logs = "\ntarget = np.log1p(np.clip(target, 0, None))" if facts.metric == "rmsle" else ""
    return f"""
train, test, sample = (pd.read_csv(f"data/{{name}}.csv") for name in ("train", "test", "sample_submission"))
train = train[train[{facts.target!r}].notna()].reset_index(drop=True)
target, classes = read_target(train[{facts.target!r}], regression={facts.regression}){logs}
{opening}numeric, categories = usable_columns(train, test, leave_out={left_out!r})
views = {{}}"""


def _several_main(plan: Plan, views: list[tuple[str, str]]) -> str:
    """The main part where there are several targets."""
    facts = plan.facts
    leave_out = sorted({*facts.several, facts.id_column, *facts.text_columns, facts.picture_column} - {""})
    return f"""import warnings
warnings.filterwarnings("ignore")
train, test, sample = (pd.read_csv(f"data/{{name}}.csv") for name in ("train", "test", "sample_submission"))
targets = train[{list(facts.several)!r}]
numeric, categories = usable_columns(train, test, leave_out={leave_out!r})
views, periods = {{}}, {{}}
{chr(10).join(code for _, code in views)}
labels, thorough = {not facts.regression}, {plan.search and not plan.simple}
prediction, error = predict_each(views, targets, labels, thorough)
write_submission(prediction, test, sample)"""


def _candidates(plan: Plan, views: list[str], rng: random.Random) -> list[Candidate]:
    if plan.simple:
        return sensible_candidates(views[0], plan.facts.regression, rng)[:1]
    if plan.search:
        return searched_candidates(views, plan.facts.regression, rng)
    return sensible_candidates(views[0], plan.facts.regression, rng)


def _fitting(plan: Plan, candidates: list[Candidate], rng: random.Random) -> str:
    metric = measured_by(plan.facts.metric)
    rows = "\n".join(f'    ({name!r}, {model}, views["{view}"]),' for name, model, view in candidates)
    folds = 5 if plan.search else 4
    weights = f"blend(ranked, target, {metric!r}, steps=8)" if plan.search and not plan.simple else "{0: 1.0}"
    return f"""
candidates = [
{rows}
]
ranked = search(candidates, target, len(classes), {metric!r}, folds={folds})
weights = {weights}
print("CHOSEN", {{ranked[at][1]: round(weight, 2) for at, weight in weights.items()}})
held_out, prediction = fit_blend(ranked, weights, target, len(classes))"""


def _writing(plan: Plan) -> str:
    facts = plan.facts
    if facts.regression:
        logs = "prediction = np.expm1(np.clip(prediction, 0, 30))\n" if facts.metric == "rmsle" else ""
        return f"{logs}write_submission(prediction, test, sample)"
    if facts.probabilities:
        chosen = (
            "prediction[:, 1]"
            if len(facts.sample_columns) == 2
            else "prediction[:, [[str(one) for one in classes].index(name) for name in sample.columns[1:]]]"
        )
        return f"write_submission({chosen}, test, sample)"
    if plan.search and not plan.simple:
        codes = f"tuned_labels(held_out, prediction, target, {facts.metric!r})"
    else:
        codes = "prediction.argmax(axis=1)"
    return f"codes = {codes}\nwrite_submission(np.asarray(classes, dtype=object)[codes.astype(int)], test, sample)"
