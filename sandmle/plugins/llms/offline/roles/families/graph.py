"""Rules over nodes of a graph: what their neighbours are like, how many there are, which circle they belong to."""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params
from sandmle.plugins.llms.offline.roles.families.table import draw_table, stacked, table_script

BOTH: Final = ("classification", "regression")
PARTS: Final = ("graph", "tabular")

_LINKS = """
# Who is linked to whom is drawn: every node seeks a few others, and popular nodes are sought more often.
wanted = rng.integers({fewest}, {most} + 1, ROWS)
popular = rng.pareto({spread}, ROWS) + 0.3
seeker = np.repeat(np.arange(ROWS), wanted)
sought = rng.choice(ROWS, len(seeker), p=popular / popular.sum())
links = np.unique(np.sort(np.column_stack([seeker, sought])[seeker != sought], axis=1), axis=0)


def gather(values):
    total = np.bincount(links[:, 0], values[links[:, 1]], ROWS) + np.bincount(links[:, 1], values[links[:, 0]], ROWS)
    return total / np.maximum(degree, 1)


degree = np.bincount(links.ravel(), minlength=ROWS)
"""
READ_LINKS: Final = """
edges = pd.read_csv("data/edges.csv")
at = pd.Series(np.arange(len(both)), index=both.iloc[:, 0])
a, b = (at.reindex(edges[name]).to_numpy() for name in edges.columns[:2])
known_pair = ~(np.isnan(a) | np.isnan(b))
a, b = a[known_pair].astype(int), b[known_pair].astype(int)
degree = np.bincount(np.r_[a, b], minlength=len(both))


def gather(values):
    total = np.bincount(a, values[b], len(both)) + np.bincount(b, values[a], len(both))
    return total / np.maximum(degree, 1)


"""
"""Lines of a solution that read `edges.csv`: `degree` of each node and the mean of its neighbours."""


def _draw(rng: Random, ask: Ask) -> dict[str, Any]:
    params = draw_table(rng, ask, 2)
    return params | {
        "links": {"fewest": 2, "most": rng.choice((4, 5)), "spread": rng.choice((2.0, 2.5))},
        "second": round(rng.choice((-1, 1)) * rng.uniform(0.4, 0.7), 2),
    }


def _links(params: Params) -> str:
    return _LINKS.format(**params["links"])


def _script(params: Params, rule: str, comment: str) -> str:
    return table_script(params, _links(params) + rule, comment)


def _neighbour_script(params: Params) -> str:
    a, b = params["main"]
    rule = f"main = standard(gather(centred({a!r}))) + {params['second']} * standard(gather(centred({b!r})))"
    return _script(params, rule, "What a node's neighbours read on the average counts, and not what it reads itself.")


def _neighbour_features(params: Params, level: Level) -> str:
    names = params["main"][: 2 if level == "full" else 1]
    # Gaps stand at the middle, so that the neighbours' mean is that of what was read.
    return _with_links(params, [f"gather(u({name!r}))" for name in names], level)


def _with_links(params: Params, entries: list[str], level: Level) -> str:
    head, _, tail = stacked(params, entries).partition("X = np.column_stack")
    return f"{head}{READ_LINKS.lstrip()}X = np.column_stack{tail}"


def _degree_script(params: Params) -> str:
    a, _ = params["main"]
    rule = f"main = standard(np.log1p(degree)) + {params['second']} * standard(gather(np.log1p(degree)))"
    return _script(params, rule, f"How well connected a node is counts, and how well its neighbours are; {a} does not.")


def _degree_features(params: Params, level: Level) -> str:
    entries = ["np.log1p(degree)", "gather(np.log1p(degree))"]
    return _with_links(params, entries if level == "full" else entries[:1], level)


def _contrast_script(params: Params) -> str:
    a, b = params["main"]
    rule = (
        f"main = standard(np.abs(centred({a!r}) - gather(centred({a!r})))) "
        f"+ {params['second']} * standard(gather(np.abs(centred({b!r}))))"
    )
    return _script(params, rule, "How far a node's reading lies from those of its neighbours counts.")


def _contrast_features(params: Params, level: Level) -> str:
    a, b = params["main"]
    entries = [f"np.abs(u({a!r}) - gather(u({a!r})))"]
    return _with_links(params, entries + ([f"gather(np.abs(u({b!r})))"] if level == "full" else []), level)


def _second_script(params: Params) -> str:
    a, b = params["main"]
    rule = (
        f"main = standard(gather(gather(centred({a!r})))) "
        f"+ {params['second']} * standard(centred({b!r}) * gather(centred({b!r})))"
    )
    return _script(params, rule, "What the neighbours of the neighbours read counts, and whether neighbours agree.")


def _second_features(params: Params, level: Level) -> str:
    a, b = params["main"]
    entries = [f"gather(gather(u({a!r})))", f"u({b!r}) * gather(u({b!r}))"]
    return _with_links(params, entries if level == "full" else entries[1:], level)


def _draw_circles(rng: Random, ask: Ask) -> dict[str, Any]:
    params = draw_table(rng, ask, 2)
    return params | {
        "links": {"fewest": 4, "most": rng.choice((6, 7)), "spread": 3.0},
        "circles": max(2, min(ask.classes, 4)),
        "inside": round(rng.uniform(0.72, 0.82), 2),
        "hint": round(rng.uniform(0.5, 0.7), 2),
    }


def _circles_script(params: Params) -> str:
    (a, _), links = params["main"], params["links"]
    hint = f"clean[{a!r}] = (low + (high - low) * standing / (standing.max() + 1)).round(digits)"
    rule = f"""
# Every node belongs to a circle, and most of its links stay inside; one column hints at the circle.
kind = rng.integers(0, {params["circles"]}, ROWS)
popular = rng.pareto({links["spread"]}, ROWS) + 0.3
members = [np.flatnonzero(kind == circle) for circle in range({params["circles"]})]
pairs = []
for node in range(ROWS):
    for _ in range(rng.integers({links["fewest"]}, {links["most"]} + 1)):
        pool = members[kind[node]] if rng.random() < {params["inside"]} else members[rng.integers(len(members))]
        pairs.append((node, rng.choice(pool)))
pairs = np.array(pairs)
links = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
low, high, digits = RANGES[{a!r}]
standing = np.argsort(np.argsort({params["hint"]} * kind + rng.normal(size=ROWS)))
{hint}
main = standing
"""
    return table_script(params, rule, "Most links of a node lead to its own kind.")


def _circles_features(params: Params, level: Level) -> str:
    lines = """
told = pd.get_dummies(train.iloc[:, -1]).to_numpy(float)
share = np.vstack([told - told.mean(axis=0), np.zeros((len(both) - len(train), told.shape[1]))])
near = np.column_stack([gather(column) for column in share.T])
"""
    if level == "full":
        # Over two steps a node's own answer comes back to it, which would make training rows look too good.
        lines += """back = gather(1 / np.maximum(degree, 1))[:, None] * share
near = np.column_stack([near, np.column_stack([gather(column) for column in near.T]) - back])
"""
    found = _with_links(params, [f"u({params['main'][0]!r})"], level)
    return f"{found}{lines}X = np.column_stack([X, near])\n"


GRAPH: Final = (
    Family(
        name="neighbour-mean",
        modality="graph",
        task_types=BOTH,
        sentence="The mean of two columns over a node's neighbours acts; two columns of its own act in proportion.",
        draw=_draw,
        script=_neighbour_script,
        features=_neighbour_features,
        parts=PARTS,
    ),
    Family(
        name="well-connected",
        modality="graph",
        task_types=BOTH,
        sentence="The logarithm of a node's number of links acts, and the mean of that over its neighbours.",
        draw=_draw,
        script=_degree_script,
        features=_degree_features,
        parts=PARTS,
    ),
    Family(
        name="odd-one-out",
        modality="graph",
        task_types=BOTH,
        sentence="The distance of a node's reading from the mean of its neighbours' acts.",
        draw=_draw,
        script=_contrast_script,
        features=_contrast_features,
        parts=PARTS,
    ),
    Family(
        name="two-steps-away",
        modality="graph",
        task_types=BOTH,
        sentence="What the neighbours of a node's neighbours read acts, and whether neighbours agree.",
        draw=_draw,
        script=_second_script,
        features=_second_features,
        parts=PARTS,
    ),
    Family(
        name="hidden-circles",
        modality="graph",
        task_types=("classification",),
        sentence="A node's circle is its class; most links stay inside a circle, and one column hints at it.",
        draw=_draw_circles,
        script=_circles_script,
        features=_circles_features,
        ordered=False,
        parts=PARTS,
    ),
)
"""Families over nodes: a table of nodes, and `links`, pairs of row numbers that become `edges.csv`."""
