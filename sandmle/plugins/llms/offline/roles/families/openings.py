"""More rules over short texts: the word they open with, how names begin."""

from typing import Final

from sandmle.plugins.llms.offline.roles.families.family import Family, Level, Params, literal
from sandmle.plugins.llms.offline.roles.families.text import (
    CLASSES,
    draw_endings,
    draw_lead,
    lead_features,
)


def _opening_script(params: Params) -> str:
    return f"""
TOPICS = {literal(dict(params["topics"]))}
FILLER = {literal(list(params["filler"]))}
groups = list(TOPICS.values())

# A text opens with the word that counts; words of all topics follow.
texts, kind = [], []
for _ in range(ROWS):
    opening, *others = rng.integers(0, len(groups), {params["mentions"]} + 1)
    rest = [rng.choice(groups[topic]) for topic in others] + list(rng.choice(FILLER, rng.integers(3, 6)))
    rng.shuffle(rest)
    texts.append([rng.choice(groups[opening]), rng.choice(FILLER), rng.choice(FILLER), *rest])
    kind.append(opening)
kind = np.array(kind)
"""


def _beginnings_script(params: Params) -> str:
    return f"""
BEGINNINGS = {literal([list(pair) for pair in params["endings"]])}
HABITS = {literal([list(pair) for pair in params["habits"]])}
STEMS = {literal(list(params["stems"]))}
FILLER = {literal(list(params["filler"]))}

# Part names are a beginning and a stem. The beginning most of the names share decides; stems mean nothing.
# Some writers have words they like to use.
texts, kind = [], []
for _ in range(ROWS):
    main = rng.integers(0, len(BEGINNINGS))
    named = [main, main] + list(rng.integers(0, len(BEGINNINGS), {params["mentions"]} - 2))
    tally = np.bincount(named, minlength=len(BEGINNINGS))
    line = [rng.choice(BEGINNINGS[one]) + "".join(rng.choice(STEMS, 2)) for one in named]
    line += list(rng.choice(FILLER, rng.integers(3, 6)))
    if rng.random() < 0.6:
        line += list(rng.choice(HABITS[tally.argmax()], 2))
    rng.shuffle(line)
    texts.append(line)
    kind.append(tally.argmax())
kind = np.array(kind)
"""


def _beginnings_features(params: Params, level: Level) -> str:
    beginnings = [list(pair)[: 2 if level == "full" else 1] for pair in params["endings"]]
    return f"""
BEGINNINGS = {literal(beginnings)}


def counts(text):
    return [sum(word.startswith(tuple(group)) for word in text.split()) for group in BEGINNINGS]


X = np.array([counts(text) for text in both[TEXT]], dtype=float)
"""


OPENINGS: Final = (
    Family(
        name="opening-word",
        modality="text",
        task_types=CLASSES,
        sentence="Words of several topics occur; the topic of the very first word is the class.",
        draw=draw_lead,
        script=_opening_script,
        features=lead_features,
        ordered=False,
    ),
    Family(
        name="word-beginnings",
        modality="text",
        task_types=CLASSES,
        sentence="Invented part names begin in one of a few ways; the beginnings most names share are the class.",
        draw=draw_endings,
        script=_beginnings_script,
        features=_beginnings_features,
        ordered=False,
    ),
)
"""More families over texts. `texts` are lists of words until they are written."""
