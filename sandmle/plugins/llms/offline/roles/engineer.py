"""MLOps Engineer: the form of a submission, and the population of reference solutions on the board."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from sandmle.core.types.score import Prediction
from sandmle.plugins.llms.offline.roles.families.catalogue import family_of
from sandmle.plugins.llms.offline.roles.plan import Plan, read_plan
from sandmle.plugins.llms.offline.roles.prompt import Question, Unanswerable
from sandmle.plugins.llms.offline.roles.solutions import Recipe, solution_code

FEWEST: Final = 8
"""Solutions an answer must keep, whatever a repair asks for."""

INSIDERS: Final = (
    Recipe(name="rule-clean", view="full", model="linear", clean=True),
    Recipe(name="rule-most-rows", view="full", model="linear", share=0.5, clean=True),
    Recipe(name="rule-some-rows", view="full", model="linear", share=0.16),
    Recipe(name="rule-boosted", view="full", model="boosting"),
    Recipe(name="rule-few-rows", view="full", model="linear", share=0.1),
    Recipe(name="rule-among-columns", view="full-raw", model="forest"),
    Recipe(name="half-rule-clean", view="partial", model="linear", clean=True),
    Recipe(name="half-rule-forest", view="partial", model="forest"),
    Recipe(name="half-rule-boosted", view="partial", model="boosting"),
    Recipe(name="half-rule-few-rows", view="partial", model="linear", share=0.3),
)
FLAT_INSIDERS: Final = (
    Recipe(name="rule-clean", view="full", model="linear", clean=True),
    Recipe(name="rule-few-rows", view="full", model="linear", share=0.06),
    Recipe(name="rule-among-linear", view="full-raw", model="stiff-linear"),
    Recipe(name="rule-among-nearest", view="full-raw", model="nearest-twenty"),
    Recipe(name="rule-stump", view="full", model="stump"),
    Recipe(name="half-rule-clean", view="partial", model="linear", clean=True),
    Recipe(name="half-rule-forest", view="partial", model="forest"),
    Recipe(name="half-rule-boosted", view="partial", model="boosting"),
    Recipe(name="half-rule-among-linear", view="partial-raw", model="stiff-linear"),
    Recipe(name="half-rule-few-rows", view="partial", model="linear", share=0.1),
)
"""For texts and images, where a rule is few numbers: any model gets nearly all out of them from a third of the
rows, so that members of that kind would crowd at one score."""
TABLE: Final = (
    Recipe(name="one-column", view="one", model="linear"),
    Recipe(name="stump", view="raw", model="stump"),
    Recipe(name="two-columns-tree", view="two", model="small-tree"),
    Recipe(name="some-columns", view="third", model="linear"),
    Recipe(name="small-tree", view="raw", model="small-tree"),
    Recipe(name="nearest-five", view="raw", model="nearest-five"),
    Recipe(name="nearest-twenty", view="raw", model="nearest-twenty"),
    Recipe(name="linear", view="raw", model="linear"),
    Recipe(name="few-rows-linear", view="raw", model="linear", share=0.3),
    Recipe(name="forest", view="raw", model="forest"),
    Recipe(name="extra-trees", view="raw", model="extra-trees"),
    Recipe(name="boosting", view="raw", model="boosting"),
    Recipe(name="kernel", view="raw", model="kernel"),
)
TEXTS: Final = (
    Recipe(name="text-length", view="length", model="small-tree"),
    Recipe(name="eight-words", view="one", model="linear"),
    Recipe(name="twenty-words-tree", view="two", model="small-tree"),
    Recipe(name="some-words", view="third", model="linear"),
    Recipe(name="words-stump", view="raw", model="stump"),
    Recipe(name="words-nearest", view="raw", model="nearest-twenty"),
    Recipe(name="words-linear", view="raw", model="stiff-linear"),
    Recipe(name="words-few-rows", view="raw", model="stiff-linear", share=0.35),
    Recipe(name="words-forest", view="raw", model="forest"),
    Recipe(name="words-bayes", view="raw", model="bayes"),
    Recipe(name="letters-linear", view="letters", model="stiff-linear"),
    Recipe(name="letters-few-rows", view="letters", model="stiff-linear", share=0.3),
)
IMAGES: Final = (
    Recipe(name="mean-grey", view="one", model="linear"),
    Recipe(name="grey-tree", view="two", model="small-tree"),
    Recipe(name="row-column-means", view="third", model="stiff-linear"),
    Recipe(name="coarse-linear", view="letters", model="stiff-linear"),
    Recipe(name="coarse-forest", view="letters", model="forest"),
    Recipe(name="coarse-few-rows", view="letters", model="stiff-linear", share=0.3),
    Recipe(name="pixels-stump", view="raw", model="stump"),
    Recipe(name="pixels-nearest", view="raw", model="nearest-twenty"),
    Recipe(name="pixels-linear", view="raw", model="stiff-linear"),
    Recipe(name="pixels-few-rows", view="raw", model="stiff-linear", share=0.3),
    Recipe(name="pixels-forest", view="raw", model="forest"),
    Recipe(name="pixels-extra-trees", view="raw", model="extra-trees"),
)
FILES: Final = (
    Recipe(name="one-figure", view="one", model="linear"),
    Recipe(name="two-figures-tree", view="two", model="small-tree"),
    Recipe(name="pieces-linear", view="third", model="stiff-linear"),
    Recipe(name="coarse-linear", view="letters", model="stiff-linear"),
    Recipe(name="coarse-forest", view="letters", model="forest"),
    Recipe(name="coarse-few-rows", view="letters", model="stiff-linear", share=0.3),
    Recipe(name="raw-stump", view="raw", model="stump"),
    Recipe(name="raw-nearest", view="raw", model="nearest-twenty"),
    Recipe(name="raw-linear", view="raw", model="stiff-linear"),
    Recipe(name="raw-few-rows", view="raw", model="stiff-linear", share=0.3),
    Recipe(name="raw-forest", view="raw", model="forest"),
    Recipe(name="raw-extra-trees", view="raw", model="extra-trees"),
)
"""Of sounds and readings in time."""
NODES: Final = (
    *TABLE[:-2],
    Recipe(name="links-linear", view="letters", model="linear"),
    Recipe(name="links-forest", view="letters", model="forest"),
)
BOTH_PARTS: Final = (
    Recipe(name="one-column", view="one", model="linear", part="table"),
    Recipe(name="table-stump", view="raw", model="stump", part="table"),
    Recipe(name="some-columns", view="third", model="linear", part="table"),
    Recipe(name="table-linear", view="raw", model="linear", part="table"),
    Recipe(name="table-forest", view="raw", model="forest", part="table"),
    Recipe(name="table-nearest", view="raw", model="nearest-twenty", part="table"),
    Recipe(name="files-linear", view="raw", model="stiff-linear", part="file"),
    Recipe(name="files-coarse", view="third", model="stiff-linear", part="file"),
    Recipe(name="files-forest", view="raw", model="forest", part="file"),
    Recipe(name="all-linear", view="raw", model="stiff-linear"),
    Recipe(name="all-few-rows", view="raw", model="stiff-linear", share=0.35),
    Recipe(name="all-forest", view="raw", model="forest"),
    Recipe(name="all-boosting", view="third", model="boosting"),
)
"""Of a table beside texts or pictures: many look at one of the two only."""
OUTSIDERS: Final[Mapping[str, tuple[Recipe, ...]]] = MappingProxyType(
    {
        "tabular": TABLE,
        "text": TEXTS,
        "image": IMAGES,
        "multimodal": BOTH_PARTS,
        "graph": NODES,
        "audio": FILES,
        "series": FILES,
    }
)


LADDERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "tabular": ("two-columns-tree", "forest", "half-rule-clean", "rule-clean"),
        "text": ("twenty-words-tree", "words-linear", "half-rule-clean", "rule-clean"),
        "image": ("row-column-means", "pixels-forest", "half-rule-clean", "rule-clean"),
        "multimodal": ("table-stump", "all-forest", "half-rule-clean", "rule-clean"),
        "graph": ("two-columns-tree", "links-forest", "half-rule-clean", "rule-clean"),
        "audio": ("two-figures-tree", "raw-forest", "half-rule-clean", "rule-clean"),
        "series": ("two-figures-tree", "raw-forest", "half-rule-clean", "rule-clean"),
    }
)
"""Modality to four solutions of rising complexity. Where scores do not rise, a draft is rejected, as in the paper."""


def evaluation(question: Question) -> dict[str, Any]:
    """Answer the Engineer's prompt. A repair leaves out the solutions its problem names.

    Raises:
        Unanswerable: the strategy is missing or names a rule that is not played.
    """
    plan = read_plan(question)
    family = family_of(plan.family, plan.rule["params"])
    if family is None:
        raise Unanswerable(f"The rule family {plan.family!r} is not one that this player can represent.")
    insiders = INSIDERS if plan.modality in ("tabular", "multimodal", "graph") else FLAT_INSIDERS
    recipes = _kept([*insiders, *OUTSIDERS[plan.modality]], question.problems)
    order = tuple(sorted(plan.classes))
    return {
        "metric": plan.metric,
        "id_column": plan.id_column,
        "target_columns": list(_target_columns(plan, order)),
        "prediction": plan.prediction.value,
        "classes": list(order),
        "ladder": list(LADDERS[plan.modality]),
        "solutions": [{"name": one.name, "code": solution_code(plan, family, one)} for one in recipes],
    }


def _target_columns(plan: Plan, order: tuple[str, ...]) -> tuple[str, ...]:
    if plan.prediction is Prediction.PROBABILITY and len(order) > 2:
        return order
    return plan.targets


def _kept(recipes: list[Recipe], problems: tuple[str, ...]) -> list[Recipe]:
    """Without those a problem names, longest names first so that `linear` is not read out of `words-linear`."""
    dropped: set[str] = set()
    for problem in problems:
        rest = problem
        for name in sorted((one.name for one in recipes), key=len, reverse=True):
            if _names(rest, name):
                dropped.add(name)
                rest = rest.replace(name, " ")
    kept = [one for one in recipes if one.name not in dropped]
    return kept if len(kept) >= FEWEST else recipes[:FEWEST]


def _names(text: str, name: str) -> bool:
    words = "".join(c if c.isalnum() or c == "-" else " " for c in text).split()
    return name in words
