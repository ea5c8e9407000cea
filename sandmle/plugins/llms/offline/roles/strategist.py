"""Data Strategist: from a seed's DNA to a domain, a hidden rule, noise and row counts."""

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from sandmle.core.types.metrics import METRICS, METRICS_BY_TASK_TYPE
from sandmle.core.types.score import Prediction
from sandmle.plugins.llms.offline.roles.difficulty import Difficulty, difficulty_of
from sandmle.plugins.llms.offline.roles.domain_care_shops import CARE_SHOPS
from sandmle.plugins.llms.offline.roles.domain_computing_money import COMPUTING_MONEY
from sandmle.plugins.llms.offline.roles.domain_industry import INDUSTRY
from sandmle.plugins.llms.offline.roles.domain_public import PUBLIC
from sandmle.plugins.llms.offline.roles.domain_services import SECTORS, SERVICES
from sandmle.plugins.llms.offline.roles.domain_transport import TRANSPORT
from sandmle.plugins.llms.offline.roles.domain_works_nature import WORKS_NATURE
from sandmle.plugins.llms.offline.roles.domains import Domain
from sandmle.plugins.llms.offline.roles.families.catalogue import FAMILIES, FIRST, pairs
from sandmle.plugins.llms.offline.roles.families.compose import AND, composed
from sandmle.plugins.llms.offline.roles.families.family import Ask, Family
from sandmle.plugins.llms.offline.roles.families.given import domain_of, given_family
from sandmle.plugins.llms.offline.roles.noise import FIRST as FIRST_NOISES
from sandmle.plugins.llms.offline.roles.noise import NOISES, fitting
from sandmle.plugins.llms.offline.roles.plan import with_tail
from sandmle.plugins.llms.offline.roles.prompt import Question, Unanswerable
from sandmle.plugins.llms.offline.roles.scenario import scenario
from sandmle.plugins.llms.offline.roles.targets import draw_target, row_of

DOMAINS = (*INDUSTRY, *PUBLIC)
"""The domains that seeds without a difficulty are given."""
ALL_DOMAINS = (*DOMAINS, *SERVICES, *CARE_SHOPS, *WORKS_NATURE, *COMPUTING_MONEY, *TRANSPORT)
CLASS_METRICS = ("accuracy", "balanced_accuracy", "f1_macro", "log_loss")
BINARY_METRICS = (*CLASS_METRICS, "roc_auc", "average_precision")
VALUE_METRICS = ("rmse", "mae", "rmsle", "r2", "spearman")
MORE_ROWS_FOR_LABELS = 300


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
    allowed, difficulty = _allowed_families(question), difficulty_of(seed.get("dna", {}))
    given = _given_families(question)
    if difficulty is None and not _is_first(modality, task_type):
        difficulty = Difficulty()
    families = [
        one
        for one in (FIRST if difficulty is None else FAMILIES)
        if one.modality == modality and one.plays(str(task_type)) and (not allowed or one.name in allowed)
    ]
    families += [given_family(name, one, one) for name, one in given.items() if modality == "tabular"]
    joined = [] if difficulty is None else _pairs(str(modality), str(task_type), allowed)
    if not families and not joined:
        raise Unanswerable(f"No rule family is known for {modality!r} and {task_type!r}.")
    if joined and (not families or rng.random() < (difficulty or Difficulty()).two_rules):
        family = composed(*rng.choice(joined))
    else:
        # Neighbouring drafts differ in family and domain; what they share is drawn.
        family = families[(index + rng.randrange(len(families))) % len(families)]
    draft = _Draft(seed, family, rng, _titles(question), difficulty, given.get(family.name))
    return draft.answer(_known_metrics(question))


def _is_first(modality: Any, task_type: Any) -> bool:
    """Whether a seed is of a kind that there was at first; of others, none ever gave a task without a difficulty."""
    return task_type in ("classification", "regression") and any(one.modality == modality for one in FIRST)


def _pairs(modality: str, task_type: str, allowed: tuple[str, ...]) -> list[tuple[Family, Family]]:
    """Two rules at once, where that is allowed by the names of both or by their common one."""
    return [
        (first, second)
        for first, second in pairs(modality)
        if composed(first, second).plays(task_type)
        and (not allowed or {first.name, second.name} <= {*allowed} or f"{first.name}{AND}{second.name}" in allowed)
    ]


def _titles(question: Question) -> tuple[str, ...]:
    titles = question.blocks.get("accepted already", ())
    return tuple(str(title) for title in titles) if isinstance(titles, Sequence) else ()


def _allowed_families(question: Question) -> tuple[str, ...]:
    names = question.blocks.get("rule families", ())
    names = names if isinstance(names, Sequence) else ()
    return tuple(str(one.get("name")) if isinstance(one, Mapping) else str(one) for one in names)


def _given_families(question: Question) -> dict[str, Mapping[str, Any]]:
    """Rule families that come with their lines, by name."""
    told = question.blocks.get("rule families", ())
    told = told if isinstance(told, Sequence) else ()
    return {str(one["name"]): one for one in told if isinstance(one, Mapping)}


def _known_metrics(question: Question) -> tuple[str, ...]:
    """The metrics the prompt offers, given as names, objects with a name, or keys."""
    offered = question.block("Metrics")
    if not isinstance(offered, Sequence | Mapping):
        raise Unanswerable("The block '## Metrics' holds neither a list nor an object.")
    names = [str(one.get("name")) if isinstance(one, Mapping) else str(one) for one in offered]
    return tuple(name for name in names if name in METRICS) or tuple(METRICS)


class _Draft:
    """One strategy while it is being drawn."""

    def __init__(
        self,
        seed: Mapping[str, Any],
        family: Family,
        rng: Random,
        taken: tuple[str, ...],
        difficulty: Difficulty | None,
        told: Mapping[str, Any] | None,
    ) -> None:
        self.seed, self.family, self.rng, self.taken = seed, family, rng, taken
        self.difficulty = difficulty
        self.task_type: str = seed["task_type"]
        self.dna: Mapping[str, Any] = seed.get("dna", {})
        self.domain = self._domain() if told is None else domain_of(told, self._domain())

    def _domain(self) -> Domain:
        """A domain whose title is not taken yet, where there is one."""
        pool: tuple[Domain, ...] = DOMAINS if self.difficulty is None else ALL_DOMAINS
        pool = tuple(one for one in pool if SECTORS.get(one.name) == self.dna.get("sector")) or pool
        order = self.rng.sample(pool, len(pool))
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
            labels=int(min(4, max(3, self._number("labels", 3)))) if self.task_type == "multilabel" else 0,
        )
        params = self.family.draw(self.rng, ask)
        target = draw_target(
            self.task_type,
            metric,
            self.family,
            self.domain,
            params,
            self.rng,
            classes=ask.classes,
            minority=self._number("minority_share", 0.42),
        )
        noise = self._noise(params, target)
        if self.difficulty is not None:
            self.difficulty.apply(params, noise)
        rule: dict[str, Any] = {"params": params, "target": target}
        if self.task_type == "classification" and self.family.ordered:
            rule["softness"] = round(self.rng.uniform(0.08, 0.16), 3)
        files = bool({"image", "audio", "series"} & set(self.family.material))
        train = (100, 201) if self.difficulty is None else self.difficulty.train_rows
        answer = {
            "title": self._title(target),
            "domain": self.domain.name,
            "scenario": scenario(self.family, self.domain, self.task_type, target, told=self.difficulty is not None),
            "modality": self.family.modality,
            "task_type": self.task_type,
            "metric": metric,
            # The number is drawn even where another is wished, so that all else is the same at any size.
            "train_rows": int(self._number("train_rows", self.rng.randrange(*train, 5))),
            "public_board_rows": self.rng.randrange(200, 301, 20),
            "private_board_rows": self._private_rows(metric, files=files),
            "columns": self._columns(params, noise, target),
            "rule_family": self.family.name,
            "hidden_rule": with_tail(self.family.sentence, rule),
            "noise_families": list(noise),
            "noise": with_tail(" ".join(self._noise_sentences(noise)), noise),
        }
        return answer | ({"shared_files": ["edges.csv"]} if "graph" in self.family.material else {})

    def _private_rows(self, metric: str, *, files: bool) -> int:
        """Rows that grade: more tell solutions apart by smaller gaps, and a row that is a file costs more."""
        if self.difficulty is None:
            return self.rng.randrange(400, 601, 20) if files else self.rng.randrange(1000, 1401, 50)
        if not files:
            return self.rng.randrange(1600, 2201, 50)
        # Scores of labels rank solutions as steadily as scores of probabilities only by more rows.
        more = MORE_ROWS_FOR_LABELS if METRICS[metric].prediction is Prediction.LABEL else 0
        return more + self.rng.randrange(800, 1101, 20)

    def _metric(self, offered: tuple[str, ...]) -> str:
        """The seed's own metric in one of three drafts, else any that fits."""
        if self.task_type == "classification":
            fit: tuple[str, ...] = BINARY_METRICS if self._number("classes", 2) <= 2 else CLASS_METRICS
            fit = (*fit, "qwk") if self.family.ordered else fit
            if self.difficulty is not None:
                # Scores of probabilities tell solutions apart by fewer rows than scores of labels do.
                fit = (*fit, "f1_weighted", "mcc", "brier", "brier", "log_loss")
        elif self.difficulty is None:
            fit = VALUE_METRICS
        else:
            fit = METRICS_BY_TASK_TYPE[self.task_type]
        usable = [name for name in fit if name in offered]
        if not usable:
            raise Unanswerable(f"None of the metrics offered fits {self.task_type}.")
        wished = self.seed.get("metric")
        return str(wished) if wished in usable and self.rng.random() < 1 / 3 else self.rng.choice(usable)

    def _classes(self, metric: str) -> int:
        if self.task_type != "classification":
            return 0
        if metric == "qwk":
            return 4
        if metric in ("roc_auc", "average_precision"):
            return 2
        return int(min(4, max(2, self._number("classes", 2))))

    def _noise(self, params: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
        """The target's own noise and some more, as many as the difficulty has."""
        known = FIRST_NOISES if self.difficulty is None else NOISES
        target_noise, *others = fitting(self.family, self.task_type, known)
        counts = (1, 2) if self.difficulty is None else self.difficulty.noises
        chosen = [target_noise, *self.rng.sample(others, min(len(others), self.rng.choice(counts)))]
        noise = {one.name: one.draw(self.rng, params) for one in chosen}
        if "class-imbalance" in noise:
            rare = noise["class-imbalance"]["minority"]
            count = len(target["classes"])
            target["shares"] = [round((1 - rare) / (count - 1), 4)] * (count - 1) + [rare]
        return noise

    def _noise_sentences(self, noise: Mapping[str, Any]) -> list[str]:
        return [one.sentence for one in fitting(self.family, self.task_type) if one.name in noise]

    def _columns(
        self, params: dict[str, Any], noise: Mapping[str, Any], target: Mapping[str, Any]
    ) -> list[dict[str, str]]:
        row = self._row()
        columns = [{"name": f"{_slug(row)}_id", "kind": "id", "meaning": f"number of the {row}"}]
        material = self.family.material
        if "text" in material:
            note = row if self.family.modality == "text" else self.domain.note
            columns.append({"name": "text", "kind": "text", "meaning": f"the {note}, in lower case"})
        elif "image" in material:
            meaning = f"path of the {self.domain.picture}, a grey PNG of {params['size']} by {params['size']} pixels"
            columns.append({"name": "image", "kind": "image", "meaning": meaning})
        elif "audio" in material:
            meaning = "path of the recording, a WAV file of 8000 samples a second, 16 bits, one channel"
            columns.append({"name": "sound", "kind": "audio", "meaning": meaning})
        elif "series" in material:
            meaning = f"path of the readings of the {row}, a CSV file with the columns `step` and `reading`"
            columns.append({"name": "series", "kind": "series", "meaning": meaning})
        shown = [{"name": name, "kind": kind, "meaning": meaning} for name, kind, meaning in params.pop("columns", ())]
        for twin, name in noise.get("look-alike-columns", {}).get("twins", {}).items():
            meaning = next(one["meaning"] for one in shown if one["name"] == name)
            shown.insert(
                self.rng.randrange(len(shown) + 1),
                {"name": twin, "kind": "number", "meaning": f"{meaning} (taken again with a second instrument)"},
            )
        if "idle-estimate" in noise:
            meaning = "estimate that another department made earlier, in points"
            place = self.rng.randrange(len(shown) + 1)
            shown.insert(place, {"name": noise["idle-estimate"]["column"], "kind": "number", "meaning": meaning})
        asked = target.get("columns") or [[target["name"], target["meaning"]]]
        targets = [{"name": name, "kind": "target", "meaning": meaning} for name, meaning in asked]
        if "series" in material and "history" in material:
            shown = []
        return [*columns, *shown, *targets]

    def _row(self) -> str:
        return row_of(self.family, self.domain)

    def _title(self, target: Mapping[str, Any]) -> str:
        """A title none of the accepted tasks bears."""
        base = f"{target['title']} ({self.domain.name})"
        for number in range(1, 1000):
            title = base if number == 1 else f"{base}, part {number}"
            if title not in self.taken:
                return title
        return base


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
