"""The scenario of a draft: whose data it is, what a row is, what is asked for; never the rule."""

from collections.abc import Mapping
from typing import Any

from sandmle.plugins.llms.offline.roles.domain_stories import STORIES
from sandmle.plugins.llms.offline.roles.domains import Domain
from sandmle.plugins.llms.offline.roles.families.family import Family


def scenario(family: Family, domain: Domain, task_type: str, target: Mapping[str, Any], *, told: bool) -> str:
    """Write it.

    Args:
        family: the rule's, for what a row consists of.
        domain: whose words are used.
        task_type: as the seed has it.
        target: of `draw_target`.
        told: whether the domain's story is told; without it, only what tables, texts and images need is said, in the
            words in which it was said at first.
    """
    if not told:
        return f"{domain.purpose} {_row(family, domain)} To be predicted is `{target['name']}`: {target['meaning']}."
    # Domains that a plugin brings have no story of ours.
    story = STORIES[domain.name].background if domain.name in STORIES else ""
    opening = f"{domain.purpose} {story}".rstrip() + f"\n\n{_row(family, domain)}"
    if target.get("columns"):
        names = ", ".join(f"`{name}`" for name, _ in target["columns"])
        return f"{opening} Predict {names} for the rows of `test.csv`; the table of columns tells what they are."
    if task_type == "ranking":
        return f"{opening} Put the rows of `test.csv` in order by `{target['name']}`: {target['meaning']}."
    return f"{opening} Predict `{target['name']}` for the rows of `test.csv`: {target['meaning']}."


def _row(family: Family, domain: Domain) -> str:
    """What a row is."""
    if family.modality == "tabular":
        return f"Each row is one {domain.row}."
    row, story = domain.row, STORIES[domain.name]
    beside = f"picture ({domain.picture})" if "image" in family.material else f"text ({domain.note})"
    read = f"a file of readings in equal steps of time: {story.reading}, standardized"
    if "history" in family.material:
        read = "a file of what was read of it so far, in equal steps of time"
    return {
        "text": f"Each row is one {domain.note}, a short text.",
        "image": f"Each row is one {domain.picture}.",
        "multimodal": f"Each row is one {row}, with readings and a {beside}.",
        "graph": f"Each row is one {row}. `edges.csv` tells which of them are linked, in train and test alike; a link "
        f"means that {story.link}.",
        "audio": f"Each row is a recording of three tenths of a second: {story.sound}.",
        "series": f"Each row is one {row} with {read}.",
    }[family.modality]
