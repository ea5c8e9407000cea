"""Writes the agent's cells: snippets it needs, and a main part that says what this task is. Pure."""

import ast
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from sandmle.plugins.llms.offline.agent.facts import Facts
from sandmle.plugins.llms.offline.agent.models import (
    Candidate,
    imports_for,
    searched_candidates,
    sensible_candidates,
)

SNIPPETS = "sandmle.plugins.llms.offline.agent.snippets"
SNIPPET_NAMES = (
    "look",
    "tables",
    "engineer",
    "textual",
    "pictures",
    "signals",
    "links",
    "measure",
    "validate",
    "search",
    "blending",
    "several",
)
_WORD = re.compile(r"[A-Za-z_]\w*")


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
    return _with_snippets("# stage: look", "look()")


def modelling_cell(plan: Plan, rng: random.Random, stage: str) -> str:
    """The cell that loads, featurizes, cross-validates, fits and writes the submission."""
    views = _views(plan)
    if plan.facts.several:
        return _with_snippets(f"# stage: {stage}", _several_main(plan, views))
    candidates = _candidates(plan, [name for name, _ in views], rng)
    main = [
        'import warnings\nwarnings.filterwarnings("ignore")',
        *imports_for([expression for _, expression, _ in candidates]),
        _loading(plan),
        *(code for _, code in views),
        _fitting(plan, candidates, rng),
        _writing(plan),
    ]
    return _with_snippets(f"# stage: {stage}", "\n".join(main))


def fallback_cell(stage: str) -> str:
    """The sample submission itself: better than nothing when all else fails."""
    return (
        f"# stage: {stage}\nimport pandas as pd\n"
        "table = pd.read_csv('data/sample_submission.csv')\n"
        "table.to_csv('submission.csv', index=False)\nprint('WROTE submission.csv', table.shape)"
    )


def _with_snippets(head: str, main: str) -> str:
    """`main` below those statements of the snippets that it needs, directly or through others."""
    statements = [statement for name in SNIPPET_NAMES for statement in _statements(name)]
    wanted, wanted_names = dict.fromkeys(range(len(statements)), False), set(_WORD.findall(main))
    growing = True
    while growing:
        growing = False
        for at, (names, source) in enumerate(statements):
            if not wanted[at] and names & wanted_names:
                wanted[at] = growing = True
                wanted_names.update(_WORD.findall(source))
    chosen = dict.fromkeys(source for at, (_, source) in enumerate(statements) if wanted[at])
    return "\n".join([head, *chosen, main])


def _statements(name: str) -> list[tuple[set[str], str]]:
    """The top-level statements of a snippet: the names each defines, and its source."""
    found = []
    for statement in ast.parse(files(SNIPPETS).joinpath(f"{name}.py").read_text("utf-8")).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            # Snippets import one another only to be modules of their own; in a cell they stand side by side.
            if not (isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("sandmle")):
                found.append(({one.asname or one.name for one in statement.names}, ast.unparse(statement)))
        elif isinstance(statement, ast.FunctionDef):
            found.append(({statement.name}, _bare(statement)))
        elif isinstance(statement, ast.Assign):
            names = {target.id for target in statement.targets if isinstance(target, ast.Name)}
            found.append((names, ast.unparse(statement)))
    return found


def _bare(function: ast.FunctionDef) -> str:
    """A function as source without annotations and docstring, which would only make the conversation longer."""
    bare = ast.FunctionDef(
        name=function.name,
        args=ast.arguments(
            posonlyargs=[],
            args=[ast.arg(arg=one.arg) for one in function.args.args],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[],
        ),
        body=[_unannotated(one) for one in function.body if not _is_docstring(one)],
        decorator_list=[],
        returns=None,
        lineno=0,
    )
    return ast.unparse(bare)


def _unannotated(statement: ast.stmt) -> ast.stmt:
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        return ast.Assign(targets=[statement.target], value=statement.value, lineno=0)
    return statement


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


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


def _views(plan: Plan) -> list[tuple[str, str]]:
    """Names of the views of the data that the cell makes, each with the code that makes it."""
    facts, rich = plan.facts, plan.search and not plan.simple
    if facts.sound_column or facts.series_column:
        return _signal_views(facts, rich)
    if facts.picture_column and facts.several:
        return _square_views(facts, rich)
    if facts.picture_column:
        return _picture_views(facts.picture_column, rich)
    if facts.text_columns:
        return _text_views(list(facts.text_columns), rich)
    views = [("plain", 'views["plain"] = plain_features(train, test, numeric, categories)')]
    if rich:
        views.append(
            (
                "rich",
                f"rich, rich_test = rich_features(train, test, numeric, {{**periods, **{dict(facts.periods)!r}}})\n"
                'views["rich"] = (np.hstack([rich, views["plain"][0]]), np.hstack([rich_test, views["plain"][1]]))',
            )
        )
    if rich and facts.edges and not facts.several:
        views += _linked_views(facts.edges)
    return views


def _signal_views(facts: Facts, rich: bool) -> list[tuple[str, str]]:
    column, reader = (facts.sound_column, "read_sounds") if facts.sound_column else (facts.series_column, "read_series")
    reading = (
        f"signals, signals_test = ({reader}(table[{column!r}].astype(str).tolist()) for table in (train, test))\n"
        'views["pieces"] = (plain_signal(signals), plain_signal(signals_test))'
    )
    views = [("pieces", reading)]
    if rich and not (facts.several and facts.regression):
        views.append(("shapes", 'views["shapes"] = (rich_signal(signals), rich_signal(signals_test))'))
    if facts.series_column or facts.several:
        # Readings one by one, for what depends on their place.
        views.append(("dense", 'views["dense"] = (signals, signals_test)'))
    return views


def _square_views(facts: Facts, rich: bool) -> list[tuple[str, str]]:
    column = facts.picture_column
    native = (
        'files = find_files("data")\n'
        f"pixels = native_pictures(train[{column!r}].astype(str).tolist(), files)\n"
        f"pixels_test = native_pictures(test[{column!r}].astype(str).tolist(), files)\n"
        'views["native"] = (pixels, pixels_test)'
    )
    # What is to be restored lies at one place; labels may lie anywhere, so that shapes tell more than pixels.
    return [("native", native), *([] if facts.regression else _picture_views(column, rich))]


def _linked_views(edges: str) -> list[tuple[str, str]]:
    path = f"data/{edges}"
    linked = f'pairs = read_links(train, test, {path!r})\nlinked, linked_test = linked_features(pairs, views["plain"])'
    told = "told, told_test = neighbours_answers(pairs, target, len(classes), len(train) + len(test))"
    both = 'views["dense"] = (np.hstack([linked, told]), np.hstack([linked_test, told_test]))'
    return [("dense", f"{linked}\n{told}\n{both}")]


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


_BESIDE_TABLE = """
if numeric or categories:
    table, table_test = plain_features(train, test, numeric, categories)
    views = {{name: (np.hstack([a, table]), np.hstack([b, table_test])) for name, (a, b) in views.items()}}"""


def _picture_views(column: str, rich: bool) -> list[tuple[str, str]]:
    loading = (
        'files = find_files("data")\n'
        f"pictures = read_pictures(train[{column!r}].astype(str).tolist(), files)\n"
        f"pictures_test = read_pictures(test[{column!r}].astype(str).tolist(), files)\n"
        'views["pixels"] = (pixel_features(pictures), pixel_features(pictures_test))'
    )
    if not rich:
        return [("pixels", loading + _BESIDE_TABLE.replace("{{", "{").replace("}}", "}"))]
    shapes = 'views["shapes"] = (shape_features(pictures), shape_features(pictures_test))'
    return [("pixels", loading), ("shapes", shapes + _BESIDE_TABLE.replace("{{", "{").replace("}}", "}"))]


def _text_views(columns: list[str], rich: bool) -> list[tuple[str, str]]:
    loading = f"texts, texts_test = texts_of(train, {columns!r}), texts_of(test, {columns!r})\n"
    words = (
        'views["words"] = word_features(texts, texts_test)\n'
        "if numeric or categories:\n"
        "    table, table_test = plain_features(train, test, numeric, categories)\n"
        "    table, table_test = np.exp(-np.abs(table)), np.exp(-np.abs(table_test))\n"
        '    views["words"] = tuple(\n'
        "        sparse.hstack([a, b]).tocsr() for a, b in zip(views['words'], (table, table_test))\n"
        "    )"
    )
    if not rich:
        return [("words", loading + words)]
    dense = (
        "dense, dense_test = dense_features(texts, texts_test)\n"
        "table, table_test = plain_features(train, test, numeric, categories)\n"
        'views["dense"] = (np.hstack([dense, table]), np.hstack([dense_test, table_test]))'
    )
    grams = 'views["grams"] = gram_features(texts, texts_test)'
    return [("words", loading + words), ("grams", grams), ("dense", dense)]


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
