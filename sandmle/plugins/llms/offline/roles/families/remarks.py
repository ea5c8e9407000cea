"""Rules over texts that state something: judgements with negators, and amounts in packings."""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.domains import words
from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params, literal
from sandmle.plugins.llms.offline.roles.families.text import FILLER

GOOD: Final = words("stable clean quiet tight smooth bright steady sound")
BAD: Final = words("loose dirty noisy cracked rough faded shaky weak")
UNITS: Final = (("crate", 12), ("box", 5), ("bag", 3), ("pallet", 40), ("drum", 20), ("tray", 8))


def _draw_negation(rng: Random, ask: Ask) -> dict[str, Any]:
    things = [word for _, bag in ask.domain.topics for word in bag]
    return {
        "good": rng.sample(GOOD, 6),
        "bad": rng.sample(BAD, 6),
        "things": rng.sample(things, 14),
        "negators": rng.sample(("not", "never", "hardly", "no longer"), 3),
        "negated": round(rng.uniform(0.22, 0.28), 2),
        "remarks": rng.choice((4, 5)),
    }


def _negation_script(params: Params) -> str:
    return f"""
GOOD = {literal(list(params["good"]))}
BAD = {literal(list(params["bad"]))}
THINGS = {literal(list(params["things"]))}
NEGATORS = {literal(list(params["negators"]))}

# A text is a list of remarks; a negator before a judgement turns it over. The balance of remarks is the signal.
texts, balance = [], []
for _ in range(ROWS):
    line, total = [], 0
    for _ in range({params["remarks"]}):
        good, negated = rng.random() < 0.5, rng.random() < {params["negated"]}
        total += 1 if good != negated else -1
        judgement = ([rng.choice(NEGATORS)] if negated else []) + [rng.choice(GOOD if good else BAD)]
        line += [rng.choice(THINGS)] + judgement
    texts.append(line)
    balance.append(total)
signal = np.array(balance, dtype=float)
"""


def _negation_features(params: Params, level: Level) -> str:
    negators = [one.split()[-1] for one in params["negators"]]
    known = negators if level == "full" else negators[:1]
    return f"""
GOOD = {literal(list(params["good"]))}
BAD = {literal(list(params["bad"]))}
NEGATORS = {literal(known)}


def remarks(text):
    row, before = [0.0, 0.0, 0.0, 0.0], ""
    for word in text.split():
        turned = before in NEGATORS
        if word in GOOD or word in BAD:
            row[2 * (word in GOOD) + turned] += 1
        before = word
    return row


X = np.array([remarks(text) for text in both[TEXT]])
"""


def _draw_amounts(rng: Random, ask: Ask) -> dict[str, Any]:
    things = [word for _, bag in ask.domain.topics for word in bag]
    return {
        "units": dict(rng.sample(UNITS, 4)),
        "things": rng.sample(things, 12),
        "filler": list(FILLER),
        "entries": rng.choice((2, 3)),
    }


def _listing_script(params: Params, comment: str, signal: str) -> str:
    return f"""
UNITS = {literal(dict(params["units"]))}
THINGS = {literal(list(params["things"]))}
FILLER = {literal(list(params["filler"]))}

# {comment}
texts, total = [], []
for _ in range(ROWS):
    line, content = [], 0
    for _ in range(rng.integers(1, {params["entries"]} + 1)):
        unit = rng.choice(sorted(UNITS))
        amount = int(rng.integers(1, 16))
        content += amount * UNITS[unit]
        line += list(rng.choice(FILLER, rng.integers(1, 3))) + [str(amount), unit, rng.choice(THINGS)]
    texts.append(line)
    total.append(content)
signal = {signal}
"""


def _amounts_script(params: Params) -> str:
    comment = "A text lists amounts in several packings; what counts is the amount times the size of the packing."
    return _listing_script(params, comment, "np.log(np.array(total, dtype=float))")


def _amounts_features(params: Params, level: Level) -> str:
    sizes = dict(params["units"])
    if level == "partial":
        # Who only skims the texts learns the largest and the smallest packing.
        middle = sorted(sizes, key=sizes.__getitem__)[1:-1]
        sizes |= dict.fromkeys(middle, 10)
    return f"""
SIZES = {literal(sizes)}


def content(text):
    line = text.split()
    pairs = zip(line, line[1:])
    return sum(int(amount) * SIZES[unit] for amount, unit in pairs if amount.isdigit() and unit in SIZES)


X = np.log1p(np.array([[content(text)] for text in both[TEXT]], dtype=float))
"""


def _draw_net(rng: Random, ask: Ask) -> dict[str, Any]:
    params = _draw_amounts(rng, ask)
    names = rng.sample(sorted(params["units"]), 4)
    return params | {"units": dict(zip(names, (1.0, -1.0, 0.6, -0.6), strict=True)), "entries": rng.choice((3, 4))}


def _net_script(params: Params) -> str:
    comment = "A text lists amounts in several packings; some of them come in and others go out."
    return _listing_script(params, comment, "np.array(total, dtype=float)")


def _net_features(params: Params, level: Level) -> str:
    known = dict(list(params["units"].items())[: 4 if level == "full" else 2])
    return f"""
UNITS = {literal(known)}


def content(text):
    line = text.split()
    pairs = zip(line, line[1:])
    return sum(int(amount) * UNITS[unit] for amount, unit in pairs if amount.isdigit() and unit in UNITS)


X = np.array([[content(text)] for text in both[TEXT]], dtype=float)
"""


REMARKS: Final = (
    Family(
        name="negated-remarks",
        modality="text",
        task_types=("classification", "regression"),
        sentence="Each remark judges a thing, and a negator before the judgement turns it over; the balance counts.",
        draw=_draw_negation,
        script=_negation_script,
        features=_negation_features,
        unusable_noise=("filler-words",),
    ),
    Family(
        name="stated-amounts",
        modality="text",
        task_types=("classification", "regression"),
        sentence="A text lists amounts in packings of known size; the logarithm of the whole content counts.",
        draw=_draw_amounts,
        script=_amounts_script,
        features=_amounts_features,
        unusable_noise=("filler-words",),
    ),
    Family(
        name="net-amounts",
        modality="text",
        task_types=("classification", "regression"),
        sentence="A text lists amounts in packings that come in or go out; what is left counts.",
        draw=_draw_net,
        script=_net_script,
        features=_net_features,
        unusable_noise=("filler-words",),
    ),
)
"""Families over texts that state something. `texts` are lists of words until they are written."""
