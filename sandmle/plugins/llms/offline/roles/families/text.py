"""Rules over short texts: which word comes first, word endings, negation, stated amounts, topic words."""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.domains import words
from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params, literal

CLASSES: Final = ("classification",)
FILLER: Final = words(
    "today again early later morning evening reported checked found near behind still partly slightly about during "
    "after before team asked noted seen known usual brief second third other place time hour week"
)
STEMS: Final = words(
    "bar bel cam dor fen gal hul jor kel lam mer nol pav quin rud sal tor ulm ven wol yar zet brim clar drev flon "
    "grul hesk jund krav lisp mord nesk plim strel trun"
)
ENDINGS: Final = words("ator imes onk ulex avid erro osty inga")
GOOD: Final = words("stable clean quiet tight smooth bright steady sound")
BAD: Final = words("loose dirty noisy cracked rough faded shaky weak")
UNITS: Final = (("crate", 12), ("box", 5), ("bag", 3), ("pallet", 40), ("drum", 20), ("tray", 8))


def _topics(rng: Random, ask: Ask, count: int) -> dict[str, list[str]]:
    return {name: list(bag) for name, bag in rng.sample(ask.domain.topics, count)}


def _draw_lead(rng: Random, ask: Ask) -> dict[str, Any]:
    return {"topics": _topics(rng, ask, min(ask.classes, 4)), "filler": list(FILLER), "mentions": rng.choice((3, 4))}


def _lead_script(params: Params) -> str:
    return f"""
TOPICS = {literal(dict(params["topics"]))}
FILLER = {literal(list(params["filler"]))}
groups = list(TOPICS.values())

# Every text mentions several topics; the one mentioned first decides.
texts, kind = [], []
for _ in range(ROWS):
    order = rng.integers(0, len(groups), {params["mentions"]})
    line = []
    for topic in order:
        line += list(rng.choice(FILLER, rng.integers(1, 4))) + [rng.choice(groups[topic])]
    texts.append(line + list(rng.choice(FILLER, 2)))
    kind.append(order[0])
kind = np.array(kind)
"""


def _counts_by_topic(params: Params, body: str) -> str:
    return f"""
TOPICS = {literal(dict(params["topics"]))}
TOPIC_OF = {{word: number for number, bag in enumerate(TOPICS.values()) for word in bag}}


def counts(text):
    row = np.zeros(len(TOPICS))
{body}
    return row


X = np.array([counts(text) for text in both[TEXT]])
"""


def _lead_features(params: Params, level: Level) -> str:
    found = "    found = [TOPIC_OF[word] for word in text.split() if word in TOPIC_OF]\n"
    if level == "full":
        return _counts_by_topic(params, found + "    for topic in found[:1]:\n        row[topic] = 1")
    body = found + "    for place, topic in enumerate(found):\n        row[topic] += 1 / (1 + place)"
    return _counts_by_topic(params, body)


def _draw_topic(rng: Random, ask: Ask) -> dict[str, Any]:
    return {"topics": _topics(rng, ask, min(ask.classes, 4)), "filler": list(FILLER), "mentions": rng.choice((4, 5))}


def _topic_script(params: Params) -> str:
    return f"""
TOPICS = {literal(dict(params["topics"]))}
FILLER = {literal(list(params["filler"]))}
groups = list(TOPICS.values())

# Words of every topic occur; the topic with most of them decides, the first one named when two are level.
texts, kind = [], []
for _ in range(ROWS):
    order = rng.integers(0, len(groups), {params["mentions"]})
    line = [rng.choice(groups[topic]) for topic in order] + list(rng.choice(FILLER, rng.integers(5, 9)))
    tally = np.bincount(order, minlength=len(groups))
    texts.append(line)
    kind.append(tally.argmax())
    rng.shuffle(line)
kind = np.array(kind)
"""


def _topic_features(params: Params, level: Level) -> str:
    kept = "" if level == "full" else " and hash_free(word)"
    body = f"    for word in text.split():\n        if word in TOPIC_OF{kept}:\n            row[TOPIC_OF[word]] += 1"
    lines = _counts_by_topic(params, body)
    if level == "full":
        return lines
    # Half the vocabulary: every second word of each topic.
    half = "\n\nHALF = {word for bag in TOPICS.values() for word in bag[::2]}\n\n\ndef counts(text):"
    return lines.replace("\n\ndef counts(text):", half).replace("hash_free(word)", "word in HALF")


def _draw_endings(rng: Random, ask: Ask) -> dict[str, Any]:
    count = max(ask.classes, 2)
    endings = rng.sample(ENDINGS, count * 2)
    return {
        "endings": [endings[i::count] for i in range(count)],
        "stems": list(STEMS),
        "habits": [list(group) for group in _groups(rng.sample(FILLER, 2 * count), 2)],
        "filler": list(FILLER),
        "mentions": rng.choice((3, 4)),
    }


def _groups(words: Sequence[str], size: int) -> list[Sequence[str]]:
    return [words[at : at + size] for at in range(0, len(words), size)]


def _endings_script(params: Params) -> str:
    return f"""
ENDINGS = {literal([list(pair) for pair in params["endings"]])}
HABITS = {literal([list(pair) for pair in params["habits"]])}
STEMS = {literal(list(params["stems"]))}
FILLER = {literal(list(params["filler"]))}

# Part names are a stem and an ending. The ending most of the names share decides; stems mean nothing.
# Some writers have words they like to use.
texts, kind = [], []
for _ in range(ROWS):
    main = rng.integers(0, len(ENDINGS))
    named = [main, main] + list(rng.integers(0, len(ENDINGS), {params["mentions"]} - 2))
    tally = np.bincount(named, minlength=len(ENDINGS))
    line = ["".join(rng.choice(STEMS, 2)) + rng.choice(ENDINGS[one]) for one in named]
    line += list(rng.choice(FILLER, rng.integers(3, 6)))
    if rng.random() < 0.6:
        line += list(rng.choice(HABITS[tally.argmax()], 2))
    rng.shuffle(line)
    texts.append(line)
    kind.append(tally.argmax())
kind = np.array(kind)
"""


def _endings_features(params: Params, level: Level) -> str:
    endings = [list(pair)[: 2 if level == "full" else 1] for pair in params["endings"]]
    return f"""
ENDINGS = {literal(endings)}


def counts(text):
    return [sum(word.endswith(tuple(group)) for word in text.split()) for group in ENDINGS]


X = np.array([counts(text) for text in both[TEXT]], dtype=float)
"""


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


def _amounts_script(params: Params) -> str:
    return f"""
UNITS = {literal(dict(params["units"]))}
THINGS = {literal(list(params["things"]))}
FILLER = {literal(list(params["filler"]))}

# A text lists amounts in several packings; what counts is the amount times the size of the packing.
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
signal = np.log(np.array(total, dtype=float))
"""


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


_COUNTED = {"full": ("linear", "boosting"), "partial": ("linear", "forest")}

TEXT: Final = (
    Family(
        name="leading-topic",
        modality="text",
        task_types=CLASSES,
        sentence="Several topics are mentioned by words of their own; the one mentioned first is the class.",
        draw=_draw_lead,
        script=_lead_script,
        features=_lead_features,
        tools=_COUNTED,
        ordered=False,
    ),
    Family(
        name="topic-majority",
        modality="text",
        task_types=CLASSES,
        sentence="Words of several topics occur; the topic with most of them is the class.",
        draw=_draw_topic,
        script=_topic_script,
        features=_topic_features,
        tools=_COUNTED,
        ordered=False,
    ),
    Family(
        name="word-endings",
        modality="text",
        task_types=CLASSES,
        sentence="Invented part names end in one of a few endings; the group of endings with most names is the class.",
        draw=_draw_endings,
        script=_endings_script,
        features=_endings_features,
        tools=_COUNTED,
        ordered=False,
    ),
    Family(
        name="negated-remarks",
        modality="text",
        task_types=("classification", "regression"),
        sentence="Each remark judges a thing, and a negator before the judgement turns it over; the balance counts.",
        draw=_draw_negation,
        script=_negation_script,
        features=_negation_features,
        tools=_COUNTED,
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
        tools=_COUNTED,
        unusable_noise=("filler-words",),
    ),
)
"""Families over texts. `texts` are lists of words until they are written."""
