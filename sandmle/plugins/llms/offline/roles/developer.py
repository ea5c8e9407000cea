"""ML Developer: from a strategy to a generator script that is readable and stands alone."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from sandmle.core.types.score import Prediction
from sandmle.plugins.llms.offline.roles.families.catalogue import family_of
from sandmle.plugins.llms.offline.roles.families.family import Family
from sandmle.plugins.llms.offline.roles.noise import noise_named
from sandmle.plugins.llms.offline.roles.plan import Plan, read_plan
from sandmle.plugins.llms.offline.roles.prompt import Question, Unanswerable
from sandmle.plugins.llms.offline.roles.targets import GRADES

FEW_ROWS: Final = 500_000
"""Training rows for which ids of six digits are enough."""
MEDIAN_METRICS: Final = ("mae", "median_ae", "mape", "smape")
"""Metrics of which the best constant is nearer to the median than to the mean."""


def development(question: Question) -> dict[str, Any]:
    """Answer the Developer's prompt.

    Raises:
        Unanswerable: the strategy is missing or names a rule or noise that is not played.
    """
    plan = read_plan(question)
    question.integer("Random draw", "rng_seed")
    family = family_of(plan.family, plan.rule["params"])
    if family is None:
        raise Unanswerable(f"The rule family {plan.family!r} is not one that this player can program.")
    parts = [_head(plan, family), family.script(plan.rule["params"]), _target(plan, family), _split(plan)]
    if "tabular" in family.material and not plan.history:
        parts.append("\nframe = clean.copy()\n")
    for name, params in plan.noise.items():
        noise = noise_named(name)
        if noise is None:
            raise Unanswerable(f"The noise family {name!r} is not one that this player can program.")
        parts.append(noise.script(params))
    parts += [_table(plan, family), _write(plan)]
    return {"script": "".join(parts)}


def _head(plan: Plan, family: Family) -> str:
    # A title may hold what would end the docstring.
    title = plan.title.replace("\\", "/").replace('"', "'")
    image = "from PIL import Image\n" if "image" in family.material else ""
    wave = "import wave\n" if "audio" in family.material else ""
    return f'''"""{title}: draws the data, applies the rule and the noise, and writes all files."""

{wave}from pathlib import Path

import numpy as np
import pandas as pd
{image}
rng = np.random.default_rng(RNG_SEED)
TRAIN, PUBLIC_BOARD, PRIVATE_BOARD = {plan.train}, {plan.public}, {plan.private}
ROWS = TRAIN + PUBLIC_BOARD + PRIVATE_BOARD
'''


def _target(plan: Plan, family: Family) -> str:
    makers = {
        "classification": lambda: _class_target(plan, family),
        "ranking": lambda: _grade_target(plan),
        "multilabel": lambda: _marks_target(plan),
        "reconstruction": lambda: _hidden_target(plan),
    }
    return makers.get(plan.task_type, lambda: _value_target(plan))()


def _grade_target(plan: Plan) -> str:
    return f"""
signal = (signal - signal.mean()) / signal.std()

# Who gives the grades errs; only few rows get the highest. Who knows the rule orders by the signal itself.
seen = signal + {plan.noise["grade-errors"]["sd"]} * rng.normal(size=ROWS)
target = np.searchsorted(np.quantile(seen, {list(GRADES)}), seen)
oracle = signal
"""


def _marks_target(plan: Plan) -> str:
    share = plan.noise["label-slips"]["share"]
    return f"""
# A share of the entries is drawn anew, as often 1 as the label is on the whole.
common = marks.mean(axis=0)
anew = rng.random(marks.shape) < {share}
target = np.where(anew, rng.random(marks.shape) < common, marks).astype(int)
oracle = {1 - share:.4g} * marks + {share} * common
"""


def _hidden_target(plan: Plan) -> str:
    return f"""
target = np.round(hidden + {plan.noise["target-grain"]["sd"]} * hidden.std() * rng.normal(size=hidden.shape), 2)
oracle = hidden
"""


def _value_target(plan: Plan) -> str:
    target, sd = plan.rule["target"], plan.noise["target-error"]["sd"]
    # A history is told on the scale of what it is to be gone on with.
    history = (
        f"\npast = {target['middle']} + {target['spread']} * (past - signal.mean()) / signal.std()"
        if plan.history
        else ""
    )
    least = f"target = np.maximum(target, {0.1 * target['middle']:.6g})\n" if plan.metric in ("mape", "smape") else ""
    standard = history + "\nsignal = np.clip((signal - signal.mean()) / signal.std(), -3, 3)\n"
    if plan.log_scale:
        return f"""{standard}
# The target grows by factors; without noise it is `truth`, the median of what can happen.
truth = {target["middle"]} * np.exp(0.5 * signal)
target = truth * np.exp(0.5 * {sd} * rng.normal(size=ROWS))
oracle = truth
"""
    return f"""{standard}
# Without noise the target is `truth`, the mean and the median of what can happen.
truth = {target["middle"]} + {target["spread"]} * signal
target = truth + {target["spread"]} * {sd} * rng.normal(size=ROWS)
{least}oracle = truth
"""


def _class_target(plan: Plan, family: Family) -> str:
    flips = plan.noise["label-flips"]["share"]
    classes = list(plan.classes)
    if family.ordered:
        steps = plan.rule["target"]["shares"]
        cumulated = [round(sum(steps[: i + 1]), 4) for i in range(len(steps) - 1)]
        chance = f"""
# The signal is cut into classes; close to a cut, chance decides. `chance` holds the probability of each class.
signal = (signal - signal.mean()) / signal.std() + rng.normal(0, 1e-6, ROWS)
cuts = np.quantile(signal, {cumulated})
below = 1 / (1 + np.exp(np.clip((signal[:, None] - cuts) / {plan.rule["softness"]}, -30, 30)))
chance = np.diff(np.column_stack([np.zeros(ROWS), below, np.ones(ROWS)]), axis=1)
"""
    else:
        chance = "\nchance = np.eye(len(CLASSES))[kind]\n"
    return f"""
CLASSES = np.array({classes!r})
{chance.strip()}
# A share of the labels is drawn anew.
chance = (1 - {flips}) * chance + {flips} / len(CLASSES)
drawn = (rng.random(ROWS)[:, None] > chance.cumsum(axis=1)[:, :-1]).sum(axis=1)
target = CLASSES[drawn]
{_oracle(plan)}"""


def _oracle(plan: Plan) -> str:
    if plan.prediction is Prediction.PROBABILITY:
        order = sorted(plan.classes)
        if len(order) == 2:
            return f"oracle = chance[:, {list(plan.classes).index(order[1])}]\n"
        return f"oracle = chance[:, {[list(plan.classes).index(name) for name in order]}]\n"
    if plan.metric in ("balanced_accuracy", "f1_macro"):
        return (
            "# Every class weighs the same, so a rare one is worth more.\n"
            "oracle = CLASSES[(chance / chance.mean(axis=0)).argmax(axis=1)]\n"
        )
    return "oracle = CLASSES[chance.argmax(axis=1)]\n"


def _split(plan: Plan) -> str:
    check, note = "", ""
    if "shifted-sample" in plan.noise:
        return _shifted_split(plan)
    if plan.targets[1:] and plan.task_type == "multilabel":
        note = "; every label has to be there, and to be absent"
        check = """
while not 5 <= target[order[:TRAIN]].sum(axis=0).min() <= target[order[:TRAIN]].sum(axis=0).max() <= TRAIN - 5:
    order = rng.permutation(ROWS)"""
    if plan.classes:
        note = "; every class has to be there"
        check = """
while pd.Series(target[order[:TRAIN]]).value_counts().reindex(CLASSES, fill_value=0).min() < 5:
    order = rng.permutation(ROWS)"""
    return f"""
# Who is a training row is drawn{note}.
order = rng.permutation(ROWS){check}
train_order, test_order = order[:TRAIN], order[TRAIN:]
is_train = np.zeros(ROWS, dtype=bool)
is_train[train_order] = True
"""


def _shifted_split(plan: Plan) -> str:
    shift = plan.noise["shifted-sample"]
    enough = ""
    if plan.classes:
        enough = """while pd.Series(target[order[:TRAIN]]).value_counts().reindex(CLASSES, fill_value=0).min() < 5:
    order = drawn()
"""
    return f"""
# Training rows were collected where one column is low more often than where it is high.
standing = clean[{shift["column"]!r}].rank(pct=True).fillna(0.5).to_numpy()


def drawn():
    return ({shift["strength"]} * standing + rng.random(ROWS)).argsort()


order = drawn()
{enough}train_order, test_order = rng.permutation(order[:TRAIN]), rng.permutation(order[TRAIN:])
is_train = np.zeros(ROWS, dtype=bool)
is_train[train_order] = True
"""


def _table(plan: Plan, family: Family) -> str:
    ids = """
# Ids are drawn without looking at anything.
ids = rng.permutation(np.arange(100_000, IDS))[:ROWS]
""".replace("IDS", "10_000_000" if plan.train > FEW_ROWS else "1_000_000")
    body = _frame(plan, family)
    if "repeated-rows" in plan.noise:
        body += "frame, target = frame.iloc[take].reset_index(drop=True), target[take]\n"
    digits = "target = np.round(target, 3)\n" if plan.task_type in ("regression", "forecasting") else ""
    several = plan.task_type in ("multilabel", "reconstruction")
    asked = repr(list(plan.targets)) if several else repr(plan.target)
    return f"""{ids}{body}{digits}frame.insert(0, {plan.id_column!r}, ids)
frame[{asked}] = target
train, test = frame.iloc[train_order], frame.iloc[test_order]
"""


def _frame(plan: Plan, family: Family) -> str:
    """Lines that make `frame` of what the rows consist of, and write the files that belong to them."""
    shown, material = list(plan.names("number", "category")), family.material
    floor = "# No reading can be below zero.\npast = np.maximum(past, 0)\n\n" if plan.history else ""
    body = ""
    if "tabular" in material:
        histories = f"frame = pd.DataFrame(past.round(3), columns={shown!r})\n"
        body = histories if plan.history else f"frame = frame[{shown!r}].copy()\n"
    for kind, (name, value, writing) in _CELLS.items():
        if kind in material:
            column = (
                f'frame.insert(0, "{name}", {value})\n' if body else f'frame = pd.DataFrame({{"{name}": {value}}})\n'
            )
            # Pictures are made before the frame that names them.
            body += writing.replace("FRAME", column).replace("READINGS", "past" if plan.history else "waves")
    return floor + body + (_EDGES if "graph" in material else "")


_CELLS: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        "text": ("text", '[" ".join(line) for line in texts]', "FRAME"),
        "image": (
            "image",
            '[f"images/{number}.png" for number in ids]',
            """pictures = np.clip(images, 0, 255).round().astype(np.uint8)
FRAME# Not compressed, all files are of one size, so that sizes say nothing.
Path("public/images").mkdir(parents=True, exist_ok=True)
for path, picture in zip(frame["image"], pictures):
    Image.fromarray(picture).save(f"public/{path}", compress_level=0)
""",
        ),
        "audio": (
            "sound",
            '[f"sounds/{number}.wav" for number in ids]',
            """FRAMEsamples = np.clip(waves * 9000, -32767, 32767).astype("<i2")
Path("public/sounds").mkdir(parents=True, exist_ok=True)
for path, one in zip(frame["sound"], samples):
    with wave.open(f"public/{path}", "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(one.tobytes())
""",
        ),
        "series": (
            "series",
            '[f"series/{number}.csv" for number in ids]',
            """FRAME# Every reading takes as many characters, so that the sizes of files say nothing.
Path("public/series").mkdir(parents=True, exist_ok=True)
for path, one in zip(frame["series"], READINGS):
    lines = [f"{at:03d},{reading:+012.4f}" for at, reading in enumerate(one)]
    Path(f"public/{path}").write_text("step,reading\\n" + "\\n".join(lines) + "\\n")
""",
        ),
    }
)
"""Material to the column that names it, the column's cells, and the lines that make it; FRAME stands for the column."""
_EDGES: Final = """# Links are told by ids, in an order and a direction that say nothing.
Path("public").mkdir(exist_ok=True)
turned = np.where(rng.random((len(links), 1)) < 0.5, links, links[:, ::-1])
pd.DataFrame(ids[rng.permutation(turned)], columns=["node", "linked_to"]).to_csv("public/edges.csv", index=False)
"""


def _submission(plan: Plan, values: str) -> str:
    order = sorted(plan.classes)
    if plan.targets[1:]:
        return f"pd.DataFrame({values}, columns={list(plan.targets)!r})"
    if plan.prediction is Prediction.PROBABILITY and len(order) > 2:
        return f"pd.DataFrame({values}, columns={order!r})"
    return f"pd.DataFrame({{{plan.target!r}: {values}}})"


def _sample(plan: Plan) -> str:
    known = f"train[{plan.target!r}]"
    order = sorted(plan.classes)
    if plan.targets[1:]:
        return f"np.tile(train[{list(plan.targets)!r}].mean().round(4), (len(test), 1))"
    if plan.prediction is Prediction.LABEL:
        return f"np.full(len(test), {known}.mode()[0])"
    if plan.prediction is Prediction.PROBABILITY:
        if len(order) == 2:
            return f"np.full(len(test), ({known} == {order[1]!r}).mean().round(4))"
        return f"np.tile({known}.value_counts(normalize=True)[{order!r}].round(4), (len(test), 1))"
    if plan.task_type == "ranking" or plan.metric in ("spearman", "pearson", "kendall_tau"):
        # A constant has no ranks, so the sample shows training values in random order.
        return f"rng.choice({known}, len(test))"
    if plan.log_scale:
        return f"np.full(len(test), np.expm1(np.log1p({known}).mean()).round(3))"
    return f"np.full(len(test), {known}.{'median' if plan.metric in MEDIAN_METRICS else 'mean'}().round(3))"


def _write(plan: Plan) -> str:
    asked = list(plan.targets) if plan.targets[1:] else plan.target
    kept = [plan.id_column, *plan.targets]
    return f"""
Path("public").mkdir(exist_ok=True)
Path("private").mkdir(exist_ok=True)
train.to_csv("public/train.csv", index=False)
test.drop(columns={asked!r}).to_csv("public/test.csv", index=False)

board = rng.permutation(["public"] * PUBLIC_BOARD + ["private"] * PRIVATE_BOARD)
answers = test[{kept!r}].assign(board=board)
answers.to_csv("private/answers.csv", index=False)


def write_submission(path, body):
    body.insert(0, {plan.id_column!r}, test[{plan.id_column!r}].to_numpy())
    body.to_csv(path, index=False, float_format="%.6f")


usual = {_sample(plan)}
best = oracle[test_order]
write_submission("public/sample_submission.csv", {_submission(plan, "usual")})
write_submission("private/oracle.csv", {_submission(plan, "best")})
"""
