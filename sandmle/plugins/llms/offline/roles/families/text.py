"""Rules over short texts: which topic comes first, which has most words, how words end."""

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


def draw_topics(rng: Random, ask: Ask, count: int) -> dict[str, list[str]]:
    """Topics of the domain, each with its words."""
    return {name: list(bag) for name, bag in rng.sample(ask.domain.topics, count)}


def draw_lead(rng: Random, ask: Ask) -> dict[str, Any]:
    """Topics, and how often one is mentioned."""
    return {
        "topics": draw_topics(rng, ask, min(ask.classes, 4)),
        "filler": list(FILLER),
        "mentions": rng.choice((3, 4)),
    }


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


def lead_features(params: Params, level: Level) -> str:
    """The first topic; half of it: all of them, the earlier the more."""
    found = "    found = [TOPIC_OF[word] for word in text.split() if word in TOPIC_OF]\n"
    if level == "full":
        return _counts_by_topic(params, found + "    for topic in found[:1]:\n        row[topic] = 1")
    body = found + "    for place, topic in enumerate(found):\n        row[topic] += 1 / (1 + place)"
    return _counts_by_topic(params, body)


def _draw_topic(rng: Random, ask: Ask) -> dict[str, Any]:
    return {
        "topics": draw_topics(rng, ask, min(ask.classes, 4)),
        "filler": list(FILLER),
        "mentions": rng.choice((4, 5)),
    }


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
    topics = dict(params["topics"])
    if level == "partial":
        # Half the vocabulary: every second word of each topic.
        topics = {name: bag[::2] for name, bag in topics.items()}
    body = "    for word in text.split():\n        if word in TOPIC_OF:\n            row[TOPIC_OF[word]] += 1"
    return _counts_by_topic({"topics": topics}, body)


def draw_endings(rng: Random, ask: Ask) -> dict[str, Any]:
    """Groups of syllables that part names have in common, and habits of writers."""
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


def names_script(params: Params, groups: str, name: str, comment: str) -> str:
    """Lines of a generator of texts whose part names share a syllable; the group with most of them is the class.

    Args:
        params: Of `draw_endings`.
        groups: What the groups of syllables are called.
        name: Python that makes a name of group `one`.
        comment: What a name is and what decides.
    """
    return f"""
{groups} = {literal([list(pair) for pair in params["endings"]])}
HABITS = {literal([list(pair) for pair in params["habits"]])}
STEMS = {literal(list(params["stems"]))}
FILLER = {literal(list(params["filler"]))}

# {comment}
# Some writers have words they like to use.
texts, kind = [], []
for _ in range(ROWS):
    main = rng.integers(0, len({groups}))
    named = [main, main] + list(rng.integers(0, len({groups}), {params["mentions"]} - 2))
    tally = np.bincount(named, minlength=len({groups}))
    line = [{name} for one in named]
    line += list(rng.choice(FILLER, rng.integers(3, 6)))
    if rng.random() < 0.6:
        line += list(rng.choice(HABITS[tally.argmax()], 2))
    rng.shuffle(line)
    texts.append(line)
    kind.append(tally.argmax())
kind = np.array(kind)
"""


def names_features(params: Params, level: Level, groups: str, method: str) -> str:
    """Names counted by group; half of it knows one syllable of each group."""
    known = [list(pair)[: 2 if level == "full" else 1] for pair in params["endings"]]
    return f"""
{groups} = {literal(known)}


def counts(text):
    return [sum(word.{method}(tuple(group)) for word in text.split()) for group in {groups}]


X = np.array([counts(text) for text in both[TEXT]], dtype=float)
"""


def _endings_script(params: Params) -> str:
    name = '"".join(rng.choice(STEMS, 2)) + rng.choice(ENDINGS[one])'
    comment = "Part names are a stem and an ending. The ending most of the names share decides; stems mean nothing."
    return names_script(params, "ENDINGS", name, comment)


def _endings_features(params: Params, level: Level) -> str:
    return names_features(params, level, "ENDINGS", "endswith")


TEXT: Final = (
    Family(
        name="leading-topic",
        modality="text",
        task_types=CLASSES,
        sentence="Several topics are mentioned by words of their own; the one mentioned first is the class.",
        draw=draw_lead,
        script=_lead_script,
        features=lead_features,
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
        ordered=False,
    ),
    Family(
        name="word-endings",
        modality="text",
        task_types=CLASSES,
        sentence="Invented part names end in one of a few endings; the group of endings with most names is the class.",
        draw=draw_endings,
        script=_endings_script,
        features=_endings_features,
        ordered=False,
    ),
)
"""Families over texts. `texts` are lists of words until they are written."""
