"""Data Strategist: from a seed's DNA to a domain, a hidden rule, noise and row counts."""

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Prediction
from sandmle.plugins.llms.offline.roles.domain_industry import INDUSTRY
from sandmle.plugins.llms.offline.roles.domain_public import PUBLIC
from sandmle.plugins.llms.offline.roles.domains import Domain
from sandmle.plugins.llms.offline.roles.families.catalogue import FAMILIES
from sandmle.plugins.llms.offline.roles.families.family import Ask, Family
from sandmle.plugins.llms.offline.roles.noise import fitting
from sandmle.plugins.llms.offline.roles.plan import with_tail
from sandmle.plugins.llms.offline.roles.prompt import Question, Unanswerable

DOMAINS = (*INDUSTRY, *PUBLIC)
CLASS_METRICS = ("accuracy", "balanced_accuracy", "f1_macro", "log_loss")
BINARY_METRICS = (*CLASS_METRICS, "roc_auc", "average_precision")
VALUE_METRICS = ("rmse", "mae", "rmsle", "r2", "spearman")


def strategy(question: Question) -> dict[str, Any]:
    """Answer the Strategist's prompt.

    Raises:
        Unanswerable: a block is missing or its modality is not played.
    """
    seed = question.mapping("Seed")
    rng_seed, index = question.integer("Random draw", "rng_seed"), question.integer("Random draw", "index")
    rng = Random(f"strategist:{rng_seed}:{index}:{len(question.problems)}")
    modality, task_type = seed.get("modality"), seed.get("task_type")
    if not isinstance(seed.get("dna", {}), Mapping):
        raise Unanswerable("The seed's 'dna' is not an object.")
    allowed = _allowed_families(question)
    families = [
        one
        for one in FAMILIES
        if one.modality == modality and task_type in one.task_types and (not allowed or one.name in allowed)
    ]
    if not families:
        raise Unanswerable(f"No rule family is known for {modality!r} and {task_type!r}.")
    # Neighbouring drafts differ in family and domain; what they share is drawn.
    family = families[(index + rng.randrange(len(families))) % len(families)]
    return _Draft(seed, family, rng, _titles(question)).answer(_known_metrics(question))


def _titles(question: Question) -> tuple[str, ...]:
    titles = question.blocks.get("accepted already", ())
    return tuple(str(title) for title in titles) if isinstance(titles, Sequence) else ()


def _allowed_families(question: Question) -> tuple[str, ...]:
    names = question.blocks.get("rule families", ())
    return tuple(str(name) for name in names) if isinstance(names, Sequence) else ()


def _known_metrics(question: Question) -> tuple[str, ...]:
    """The metrics the prompt offers, given as names, objects with a name, or keys."""
    offered = question.block("Metrics")
    if not isinstance(offered, Sequence | Mapping):
        raise Unanswerable("The block '## Metrics' holds neither a list nor an object.")
    names = [str(one.get("name")) if isinstance(one, Mapping) else str(one) for one in offered]
    return tuple(name for name in names if name in METRICS) or tuple(METRICS)


class _Draft:
    """One strategy while it is being drawn."""

    def __init__(self, seed: Mapping[str, Any], family: Family, rng: Random, taken: tuple[str, ...]) -> None:
        self.seed, self.family, self.rng, self.taken = seed, family, rng, taken
        self.task_type: str = seed["task_type"]
        self.dna: Mapping[str, Any] = seed.get("dna", {})
        self.domain = self._domain()

    def _domain(self) -> Domain:
        """A domain whose title is not taken yet, where there is one."""
        order = self.rng.sample(DOMAINS, len(DOMAINS))
        free = [one for one in order if not any(one.name in title for title in self.taken)]
        return (free or order)[0]

    def _number(self, key: str, default: float) -> float:
        value = self.dna.get(key, default)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default

    def answer(self, offered: tuple[str, ...]) -> dict[str, Any]:
        """The whole strategy."""
        metric = self._metric(offered)
        ask = Ask(
            domain=self.domain,
            numbers=int(min(8, max(5, self._number("numeric_columns", 7)))),
            classes=self._classes(metric),
            image_size=int(min(16, max(12, 2 * round(self._number("image_size", 12) / 2)))),
        )
        params = self.family.draw(self.rng, ask)
        target = self._target(metric, ask, params)
        noise = self._noise(params)
        rule: dict[str, Any] = {"params": params, "target": target}
        if self.task_type == "classification" and self.family.ordered:
            rule["softness"] = round(self.rng.uniform(0.08, 0.16), 3)
        image = self.family.modality == "image"
        return {
            "title": self._title(target),
            "domain": self.domain.name,
            "scenario": self._scenario(target),
            "modality": self.family.modality,
            "task_type": self.task_type,
            "metric": metric,
            "train_rows": self.rng.randrange(100, 201, 5),
            "public_board_rows": self.rng.randrange(200, 301, 20),
            "private_board_rows": self.rng.randrange(400, 601, 20) if image else self.rng.randrange(1000, 1401, 50),
            "columns": self._columns(params, noise, target),
            "rule_family": self.family.name,
            "hidden_rule": with_tail(self.family.sentence, rule),
            "noise_families": list(noise),
            "noise": with_tail(" ".join(self._noise_sentences(noise)), noise),
        }

    def _metric(self, offered: tuple[str, ...]) -> str:
        """The seed's own metric in one of three drafts, else any that fits."""
        if self.task_type == "regression":
            fit: tuple[str, ...] = VALUE_METRICS
        else:
            fit = BINARY_METRICS if self._number("classes", 2) <= 2 else CLASS_METRICS
            fit = (*fit, "qwk") if self.family.ordered else fit
        usable = [name for name in fit if name in offered]
        if not usable:
            raise Unanswerable(f"None of the metrics offered fits {self.task_type}.")
        wished = self.seed.get("metric")
        return str(wished) if wished in usable and self.rng.random() < 1 / 3 else self.rng.choice(usable)

    def _classes(self, metric: str) -> int:
        if self.task_type == "regression":
            return 0
        if metric == "qwk":
            return 4
        if metric in ("roc_auc", "average_precision"):
            return 2
        return int(min(4, max(2, self._number("classes", 2))))

    def _target(self, metric: str, ask: Ask, params: Mapping[str, Any]) -> dict[str, Any]:
        if self.task_type == "regression":
            value = self.rng.choice(self.domain.values)
            return {
                "name": value.name,
                "meaning": value.meaning,
                "title": value.title,
                "middle": value.middle,
                "spread": value.spread,
            }
        several = self.domain.several
        chosen = self.domain.binary if ask.classes == 2 and self.family.ordered else several
        named = {"name": chosen.name, "meaning": chosen.meaning, "title": chosen.title}
        if not self.family.ordered:
            return self._kinds(params)
        if metric == "qwk":
            named["meaning"] += ", from 0 (" + several.classes[0] + ") to 3 (" + several.classes[3] + ")"
            return named | {"classes": ["0", "1", "2", "3"], "shares": [0.25, 0.25, 0.25, 0.25]}
        if ask.classes == 2:
            minority = min(0.5, max(0.35, self._number("minority_share", 0.42)))
            if METRICS[metric].prediction is Prediction.LABEL:
                minority = max(0.42, minority)
            return named | {"classes": list(chosen.classes), "shares": [round(1 - minority, 2), round(minority, 2)]}
        count = ask.classes
        return named | {"classes": list(chosen.classes[:count]), "shares": [round(1 / count, 4)] * count}

    def _kinds(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """A target whose classes are given by the rule itself: topics, groups of endings, motifs."""
        row = self.domain.note if self.family.modality == "text" else "picture"
        if "topics" in params:
            classes = list(params["topics"])
            return self._named("desk", f"desk that has to deal with the {row}", f"Routing of {row}s", classes)
        count = len(params["endings"] if "endings" in params else params["glyphs"])
        classes = self.rng.sample(["alder", "birch", "cedar", "dahlia", "elder", "fir"], count)
        if "endings" in params:
            return self._named("maker", f"maker of the parts named in the {row}", f"Part makers in {row}s", classes)
        return self._named("origin", "code name of the origin given by an expert", "Origin of pictures", classes)

    @staticmethod
    def _named(name: str, meaning: str, title: str, classes: list[str]) -> dict[str, Any]:
        return {"name": name, "meaning": meaning, "title": title, "classes": classes, "shares": []}

    def _noise(self, params: dict[str, Any]) -> dict[str, Any]:
        """The target's own noise and one or two more; more gaps where the seed has gaps."""
        target_noise, *others = fitting(self.family, self.task_type)
        chosen = [target_noise, *self.rng.sample(others, min(len(others), self.rng.choice((1, 2))))]
        return {noise.name: noise.draw(self.rng, params) for noise in chosen}

    def _noise_sentences(self, noise: Mapping[str, Any]) -> list[str]:
        return [one.sentence for one in fitting(self.family, self.task_type) if one.name in noise]

    def _columns(
        self, params: dict[str, Any], noise: Mapping[str, Any], target: Mapping[str, Any]
    ) -> list[dict[str, str]]:
        row = self._row()
        columns = [{"name": f"{_slug(row)}_id", "kind": "id", "meaning": f"number of the {row}"}]
        if self.family.modality == "text":
            columns.append({"name": "text", "kind": "text", "meaning": f"the {row}, in lower case"})
        elif self.family.modality == "image":
            meaning = f"path of the {self.domain.picture}, a grey PNG of {params['size']} by {params['size']} pixels"
            columns.append({"name": "image", "kind": "image", "meaning": meaning})
        shown = [{"name": name, "kind": kind, "meaning": meaning} for name, kind, meaning in params.pop("columns", ())]
        for twin, name in noise.get("look-alike-columns", {}).get("twins", {}).items():
            meaning = next(one["meaning"] for one in shown if one["name"] == name)
            shown.insert(
                self.rng.randrange(len(shown) + 1),
                {"name": twin, "kind": "number", "meaning": f"{meaning} (taken again with a second instrument)"},
            )
        return [*columns, *shown, {"name": target["name"], "kind": "target", "meaning": target["meaning"]}]

    def _row(self) -> str:
        return {"tabular": self.domain.row, "text": self.domain.note, "image": "picture"}[self.family.modality]

    def _title(self, target: Mapping[str, Any]) -> str:
        """A title none of the accepted tasks bears."""
        base = f"{target['title']} ({self.domain.name})"
        for number in range(1, 1000):
            title = base if number == 1 else f"{base}, part {number}"
            if title not in self.taken:
                return title
        return base

    def _scenario(self, target: Mapping[str, Any]) -> str:
        source = {
            "tabular": f"Each row is one {self.domain.row}.",
            "text": f"Each row is one {self.domain.note}, a short text.",
            "image": f"Each row is one {self.domain.picture}.",
        }[self.family.modality]
        return f"{self.domain.purpose} {source} To be predicted is `{target['name']}`: {target['meaning']}."


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
