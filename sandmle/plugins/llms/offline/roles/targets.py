"""What is to be predicted: the target column or columns of a draft, with all that a generator needs to know of them."""

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Prediction
from sandmle.plugins.llms.offline.roles.domains import Domain
from sandmle.plugins.llms.offline.roles.families.family import Family, Params

GRADES: Final = (0.5, 0.76, 0.91, 0.975)
"""Shares of the rows below each grade of a ranking: few deserve the highest."""
ROWS_OF: Final[Mapping[str, str]] = {"audio": "recording", "image": "picture"}
"""What a row is where it is a file; elsewhere the domain has a word for it."""


def row_of(family: Family, domain: Domain) -> str:
    """What one row is, in the singular."""
    if "text" in family.material and family.modality == "text":
        return domain.note
    if family.modality == "multimodal":
        return domain.row
    return ROWS_OF.get(family.modality, domain.row)


def plural(noun: str) -> str:
    """More than one of it, as its spelling has it: `entries`, `surveys`, `dishes`."""
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "z", "ch", "sh")) else f"{noun}s"


def draw_target(
    task_type: str,
    metric: str,
    family: Family,
    domain: Domain,
    params: Params,
    rng: Random,
    *,
    classes: int,
    minority: float,
) -> dict[str, Any]:
    """Draw the target of a task of any type.

    Args:
        task_type: as the seed has it.
        metric: a name of the catalogue.
        family: the rule's.
        domain: whose vocabulary names it.
        params: the rule's, for classes and labels that the rule itself names.
        rng: the draw.
        classes: classes wanted.
        minority: share of the rarer of two classes.

    Returns:
        `name`, `meaning`, `title`, and what the type needs: `classes` and `shares`, `middle` and `spread`, or `columns`
        as `[name, meaning]` each.
    """
    if task_type in ("regression", "forecasting"):
        return _value(domain, rng, task_type, params)
    if task_type == "ranking":
        title = f"Order of {plural(domain.row)} by priority"
        meaning = "priority that experts gave it, a grade from 0 (none) to 4 (first of all)"
        return {"name": "priority", "meaning": meaning, "title": title}
    if task_type == "multilabel":
        return _labels(family, domain, params)
    if task_type == "reconstruction":
        return _cells(family, domain, params)
    if not family.ordered:
        return _kinds(family, domain, params, rng)
    return _classes(metric, domain, classes, minority)


def _value(domain: Domain, rng: Random, task_type: str, params: Params) -> dict[str, Any]:
    value = rng.choice(domain.values)
    found = {
        "name": value.name,
        "meaning": value.meaning,
        "title": value.title,
        "middle": value.middle,
        "spread": value.spread,
    }
    if task_type == "forecasting":
        ahead = params.get("ahead", 0)
        when = f"{ahead + 1} steps after the last reading" if ahead else "at the next step"
        found |= {"meaning": f"{value.meaning}, {when}", "title": f"Forecast: {value.title}"}
    return found


def _labels(family: Family, domain: Domain, params: Params) -> dict[str, Any]:
    topics = list(params.get("topics", ())) or [name for name, _ in domain.topics]
    count = len(params.get("limits", params.get("glyphs", params.get("tones", params.get("topics", ())))))
    row = row_of(family, domain)
    columns = [[f"about_{name}", f"1 where the {row} concerns the {name} desk, else 0"] for name in topics[:count]]
    return {"name": "", "meaning": "", "title": f"Desks concerned by {plural(row)}", "columns": columns}


def _cells(family: Family, domain: Domain, params: Params) -> dict[str, Any]:
    if family.modality == "image":
        top, left = params["at"]
        places = [(top + down, left + across) for down in range(3) for across in range(3)]
        columns = [
            [f"grey_{number}", f"grey value, 0 to 255, of the clean picture in row {row}, column {column} (from 0)"]
            for number, (row, column) in enumerate(places, 1)
        ]
        return {
            "name": "",
            "meaning": "",
            "title": f"Hidden squares: {domain.picture}",
            "columns": columns,
        }
    what = "sample" if family.modality == "audio" else "reading"
    scale = ", one being 90 steps of the file's 16 bits" if family.modality == "audio" else ", times ten"
    columns = [
        [
            f"{what}_{params['gap'] + number}",
            f"{what} number {params['gap'] + number} (from 0), as it was before it was lost{scale}",
        ]
        for number in range(params["values"])
    ]
    return {"name": "", "meaning": "", "title": f"Lost {what}s of {plural(row_of(family, domain))}", "columns": columns}


def _classes(metric: str, domain: Domain, count: int, minority: float) -> dict[str, Any]:
    several = domain.several
    chosen = domain.binary if count == 2 else several
    named = {"name": chosen.name, "meaning": chosen.meaning, "title": chosen.title}
    if metric == "qwk":
        named["meaning"] += ", from 0 (" + several.classes[0] + ") to 3 (" + several.classes[3] + ")"
        return named | {"classes": ["0", "1", "2", "3"], "shares": [0.25, 0.25, 0.25, 0.25]}
    if count == 2:
        minority = min(0.5, max(0.35, minority))
        if METRICS[metric].prediction is Prediction.LABEL:
            minority = max(0.42, minority)
        return named | {"classes": list(chosen.classes), "shares": [round(1 - minority, 2), round(minority, 2)]}
    return named | {"classes": list(chosen.classes[:count]), "shares": [round(1 / count, 4)] * count}


def _kinds(family: Family, domain: Domain, params: Params, rng: Random) -> dict[str, Any]:
    """A target whose classes are given by the rule itself: topics, groups of endings, motifs, circles."""
    row = domain.note if family.modality == "text" else "picture"
    if "topics" in params:
        classes = list(params["topics"])
        return _named("desk", f"desk that has to deal with the {row}", f"Routing of {plural(row)}", classes)
    if "circles" in params:
        classes = rng.sample(["north", "river", "hill", "harbour", "old-town"], params["circles"])
        return _named(
            "circle", f"circle to which the {domain.row} belongs", f"Circles of {plural(domain.row)}", classes
        )
    count = len(params["endings"] if "endings" in params else params["glyphs"])
    classes = rng.sample(["alder", "birch", "cedar", "dahlia", "elder", "fir"], count)
    if "endings" in params:
        return _named("maker", f"maker of the parts named in the {row}", f"Part makers in {plural(row)}", classes)
    return _named("origin", "code name of the origin given by an expert", "Origin of pictures", classes)


def _named(name: str, meaning: str, title: str, classes: list[str]) -> dict[str, Any]:
    return {"name": name, "meaning": meaning, "title": title, "classes": classes, "shares": []}
