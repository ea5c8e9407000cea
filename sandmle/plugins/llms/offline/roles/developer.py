"""ML Developer: from a strategy to a generator script that is readable and stands alone."""

from typing import Any

from sandmle.core.types.score import Prediction
from sandmle.plugins.llms.offline.roles.families.catalogue import family_named
from sandmle.plugins.llms.offline.roles.families.family import Family
from sandmle.plugins.llms.offline.roles.noise import noise_named
from sandmle.plugins.llms.offline.roles.plan import Plan, read_plan
from sandmle.plugins.llms.offline.roles.prompt import Question, Unanswerable


def development(question: Question) -> dict[str, Any]:
    """Answer the Developer's prompt.

    Raises:
        Unanswerable: the strategy is missing or names a rule or noise that is not played.
    """
    plan = read_plan(question)
    question.integer("Random draw", "rng_seed")
    family = family_named(plan.family)
    if family is None:
        raise Unanswerable(f"The rule family {plan.family!r} is not one that this player can program.")
    parts = [_head(plan, family), family.script(plan.rule["params"]), _target(plan, family), _split(plan)]
    if family.modality == "tabular":
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
    image = "from PIL import Image\n" if family.modality == "image" else ""
    return f'''"""{title}: draws the data, applies the rule and the noise, and writes all files."""

from pathlib import Path

import numpy as np
import pandas as pd
{image}
rng = np.random.default_rng(RNG_SEED)
TRAIN, PUBLIC_BOARD, PRIVATE_BOARD = {plan.train}, {plan.public}, {plan.private}
ROWS = TRAIN + PUBLIC_BOARD + PRIVATE_BOARD
'''


def _target(plan: Plan, family: Family) -> str:
    if plan.task_type == "regression":
        return _value_target(plan)
    return _class_target(plan, family)


def _value_target(plan: Plan) -> str:
    target, sd = plan.rule["target"], plan.noise["target-error"]["sd"]
    standard = "\nsignal = np.clip((signal - signal.mean()) / signal.std(), -3, 3)\n"
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
oracle = truth
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


def _table(plan: Plan, family: Family) -> str:
    ids = """
# Ids are drawn without looking at anything.
ids = rng.permutation(np.arange(100_000, 1_000_000))[:ROWS]
"""
    if family.modality == "tabular":
        shown = list(plan.names("number", "category"))
        body = f"frame = frame[{shown!r}].copy()\n"
    elif family.modality == "text":
        body = 'frame = pd.DataFrame({"text": [" ".join(line) for line in texts]})\n'
    else:
        body = """pictures = np.clip(images, 0, 255).round().astype(np.uint8)
frame = pd.DataFrame({"image": [f"images/{number}.png" for number in ids]})
# Not compressed, all files are of one size, so that sizes say nothing.
Path("public/images").mkdir(parents=True, exist_ok=True)
for path, picture in zip(frame["image"], pictures):
    Image.fromarray(picture).save(f"public/{path}", compress_level=0)
"""
    if "repeated-rows" in plan.noise:
        body += "frame, target = frame.iloc[take].reset_index(drop=True), target[take]\n"
    digits = "target = np.round(target, 3)\n" if plan.task_type == "regression" else ""
    return f"""{ids}{body}{digits}frame.insert(0, {plan.id_column!r}, ids)
frame[{plan.target!r}] = target
train, test = frame.iloc[train_order], frame.iloc[test_order]
"""


def _submission(plan: Plan, values: str) -> str:
    order = sorted(plan.classes)
    if plan.prediction is Prediction.PROBABILITY and len(order) > 2:
        return f"pd.DataFrame({values}, columns={order!r})"
    return f"pd.DataFrame({{{plan.target!r}: {values}}})"


def _sample(plan: Plan) -> str:
    known = f"train[{plan.target!r}]"
    order = sorted(plan.classes)
    if plan.prediction is Prediction.LABEL:
        return f"np.full(len(test), {known}.mode()[0])"
    if plan.prediction is Prediction.PROBABILITY:
        if len(order) == 2:
            return f"np.full(len(test), ({known} == {order[1]!r}).mean().round(4))"
        return f"np.tile({known}.value_counts(normalize=True)[{order!r}].round(4), (len(test), 1))"
    if plan.metric == "spearman":
        # A constant has no ranks, so the sample shows training values in random order.
        return f"rng.choice({known}, len(test))"
    if plan.log_scale:
        return f"np.full(len(test), np.expm1(np.log1p({known}).mean()).round(3))"
    return f"np.full(len(test), {known}.{'median' if plan.metric == 'mae' else 'mean'}().round(3))"


def _write(plan: Plan) -> str:
    return f"""
Path("public").mkdir(exist_ok=True)
Path("private").mkdir(exist_ok=True)
train.to_csv("public/train.csv", index=False)
test.drop(columns={plan.target!r}).to_csv("public/test.csv", index=False)

board = rng.permutation(["public"] * PUBLIC_BOARD + ["private"] * PRIVATE_BOARD)
answers = test[[{plan.id_column!r}, {plan.target!r}]].assign(board=board)
answers.to_csv("private/answers.csv", index=False)


def write_submission(path, body):
    body.insert(0, {plan.id_column!r}, test[{plan.id_column!r}].to_numpy())
    body.to_csv(path, index=False, float_format="%.6f")


usual = {_sample(plan)}
best = oracle[test_order]
write_submission("public/sample_submission.csv", {_submission(plan, "usual")})
write_submission("private/oracle.csv", {_submission(plan, "best")})
"""
