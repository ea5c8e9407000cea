"""More rules over short texts: the word they open with, how names begin."""

from typing import Final

from sandmle.plugins.llms.offline.roles.families.family import Family, Level, Params, literal
from sandmle.plugins.llms.offline.roles.families.text import (
    CLASSES,
    draw_endings,
    draw_lead,
    lead_features,
    names_features,
    names_script,
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
    name = 'rng.choice(BEGINNINGS[one]) + "".join(rng.choice(STEMS, 2))'
    comment = (
        "Part names are a beginning and a stem. The beginning most of the names share decides; stems mean nothing."
    )
    return names_script(params, "BEGINNINGS", name, comment)


def _beginnings_features(params: Params, level: Level) -> str:
    return names_features(params, level, "BEGINNINGS", "startswith")


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
