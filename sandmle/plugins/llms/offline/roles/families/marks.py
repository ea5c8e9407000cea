"""Rules with several labels, any number of which may apply to a row: in tables, texts and pictures."""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params, literal
from sandmle.plugins.llms.offline.roles.families.image import GLYPHS, glyph_lines, matched_lines
from sandmle.plugins.llms.offline.roles.families.table import centred_lines, draw_table
from sandmle.plugins.llms.offline.roles.families.text import FILLER, draw_topics

LABELS: Final = ("multilabel",)


def _draw_limits(rng: Random, ask: Ask) -> dict[str, Any]:
    params = draw_table(rng, ask, 5)
    names = params["main"]
    kinds = rng.sample(("product", "distance", "higher", "lower"), max(2, min(ask.labels, 4)))
    return params | {
        "limits": [[kind, *rng.sample(names, 2), round(rng.uniform(0.5, 0.66), 2)] for kind in kinds],
        "softness": round(rng.uniform(0.1, 0.16), 3),
    }


def _reading(kind: str, a: str, b: str, reader: str) -> str:
    first, second = f"{reader}({a!r})", f"{reader}({b!r})"
    return {
        "product": f"{first} * {second}",
        "distance": f"{first} ** 2 + {second} ** 2",
        "higher": f"np.maximum({first}, {second})",
        "lower": f"np.minimum({first}, {second})",
    }[kind]


def _limits_script(params: Params) -> str:
    readings = "".join(f"    {_reading(kind, a, b, 'centred')},\n" for kind, a, b, _ in params["limits"])
    shares = [share for *_, share in params["limits"]]
    return f"""
RANGES = {literal(dict(params["ranges"]))}
clean = pd.DataFrame(
    {{name: rng.uniform(low, high, ROWS).round(digits) for name, (low, high, digits) in RANGES.items()}}
)


def centred(name):
    low, high, _ = RANGES[name]
    return (clean[name].to_numpy() - (low + high) / 2) / ((high - low) / 2)


# Each label has two columns and a limit of its own; close to the limit, chance decides.
readings = np.column_stack([
{readings}])
limits = [np.quantile(column, share) for column, share in zip(readings.T, {shares})]
above = (readings - limits) / (readings.std(axis=0) * {params["softness"]})
marks = (rng.random(above.shape) < 1 / (1 + np.exp(-np.clip(above, -30, 30)))).astype(int)
"""


def _limits_features(params: Params, level: Level) -> str:
    limits = params["limits"] if level == "full" else params["limits"][::2]
    entries = [_reading(kind, a, b, "u") for kind, a, b, _ in limits]
    entries += [f"u({name!r})" for name in params["main"]]
    lines = "".join(f"    {entry},\n" for entry in entries)
    return f"{centred_lines(params)}X = np.column_stack([\n{lines}])\n"


def _draw_mentions(rng: Random, ask: Ask) -> dict[str, Any]:
    return {
        "topics": draw_topics(rng, ask, max(2, min(ask.labels, 4))),
        "filler": list(FILLER),
        "share": round(rng.uniform(0.35, 0.5), 2),
        "stray": round(rng.uniform(0.25, 0.4), 2),
    }


def _mentions_script(params: Params) -> str:
    return f"""
TOPICS = {literal(dict(params["topics"]))}
FILLER = {literal(list(params["filler"]))}
groups = list(TOPICS.values())

# A topic that is meant is named by two or three of its words; one that is not may be named once in passing.
marks = (rng.random((ROWS, len(groups))) < {params["share"]}).astype(int)
texts = []
for row in marks:
    line = list(rng.choice(FILLER, rng.integers(4, 9)))
    for meant, words in zip(row, groups):
        count = rng.integers(2, 4) if meant else int(rng.random() < {params["stray"]})
        line += list(rng.choice(words, count, replace=False))
    rng.shuffle(line)
    texts.append(line)
"""


def _mentions_features(params: Params, level: Level) -> str:
    topics = {name: list(bag)[:: 1 if level == "full" else 2] for name, bag in params["topics"].items()}
    return f"""
TOPICS = {literal(topics)}


def counts(text):
    found = text.split()
    tally = [sum(word in found for word in bag) for bag in TOPICS.values()]
    return tally + [float(many > 1) for many in tally]


X = np.array([counts(text) for text in both[TEXT]], dtype=float)
"""


def _draw_stamps(rng: Random, ask: Ask) -> dict[str, Any]:
    names = rng.sample(sorted(GLYPHS), max(2, min(ask.labels, 4)))
    return {
        "size": ask.image_size,
        "glyphs": {name: GLYPHS[name] for name in names},
        "strength": rng.choice((105, 120, 135)),
        "share": round(rng.uniform(0.35, 0.5), 2),
        "background": rng.randrange(70, 130, 10),
    }


def _stamps_script(params: Params) -> str:
    return f"""
SIZE = {params["size"]}
{glyph_lines(params, 9)}
# Each label is a mark of its own, printed twice wherever it falls, or not at all.
marks = (rng.random((ROWS, len(glyphs))) < {params["share"]}).astype(int)
images = np.full((ROWS, SIZE, SIZE), {params["background"]}.0)
images += rng.normal(0, 12, (ROWS, 1, 1)) + rng.normal(0, 14, (ROWS, SIZE, SIZE))
for row, number in np.argwhere(marks):
    for top, left in rng.integers(0, SIZE, (2, 2)):
        rows = (top + np.arange(3)[:, None]) % SIZE
        columns = (left + np.arange(3)[None, :]) % SIZE
        images[row, rows, columns] += {params["strength"]} * glyphs[number]
"""


def _stamps_features(params: Params, level: Level) -> str:
    many = len(params["glyphs"])
    return matched_lines(params, many if level == "full" else max(1, many // 2), "answer.max(axis=(1, 2))")


MARKS: Final = (
    Family(
        name="limits-exceeded",
        modality="tabular",
        task_types=LABELS,
        sentence="Each label applies where a reading of two columns (product, distance, extreme) exceeds its limit.",
        draw=_draw_limits,
        script=_limits_script,
        features=_limits_features,
    ),
    Family(
        name="topics-meant",
        modality="text",
        task_types=LABELS,
        sentence="A topic's label applies where at least two of its words are named; one word is named in passing.",
        draw=_draw_mentions,
        script=_mentions_script,
        features=_mentions_features,
    ),
    Family(
        name="stamps-present",
        modality="image",
        task_types=LABELS,
        sentence="Each label is a mark that is printed twice at random places, or not at all.",
        draw=_draw_stamps,
        script=_stamps_script,
        features=_stamps_features,
    ),
)
"""Families with several labels: `marks` is rows by labels, 0 or 1."""
