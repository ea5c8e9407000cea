"""The four built-in roles: what each is asked, and how its answer is tried out."""

from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any, Final, cast, get_args
from unicodedata import category

from pydantic import BaseModel

from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.contracts.synthesis import Dossier, RoleVerdict
from sandmle.core.errors import PluginError, boundary
from sandmle.core.types.message import Message
from sandmle.core.types.metrics import METRICS, suits
from sandmle.core.types.synthesis import MICRO_TRAIN_ROWS, Development, Evaluation, Strategy, Writing
from sandmle.core.types.task import KnownModality
from sandmle.plugins.synthesizer import prompts
from sandmle.plugins.synthesizer.files import BOARD_COLUMN, FILE_KINDS, check_files, most_bytes
from sandmle.plugins.synthesizer.media import check_pictures_and_sounds, check_words
from sandmle.plugins.synthesizer.population import check_format, run_population
from sandmle.plugins.synthesizer.role_config import RoleConfig, StrategistConfig
from sandmle.plugins.synthesizer.scripts import run_generator
from sandmle.plugins.synthesizer.tables import FaultError
from sandmle.plugins.synthesizer.wording import check_description

STRATEGIST, DEVELOPER, ENGINEER, WRITER = (
    "data-strategist",
    "ml-developer",
    "mlops-engineer",
    "technical-writer",
)
BUILT_IN: Final = (STRATEGIST, DEVELOPER, ENGINEER, WRITER)
MIN_PRIVATE_ROWS: Final = 1000
"""Private-board rows that keep thresholds stable where a row costs nothing."""
MAX_PRIVATE_ROWS: Final = 5000
MAX_PUBLIC_ROWS: Final = 2000
SEVERAL_TARGETS: Final = ("multilabel", "reconstruction")
"""Types of task that ask for several values of each row."""
MAX_TARGETS: Final = 32
MAX_NAMES: Final = 50
MAX_NAME: Final = 200
"""Characters of a family's name."""
_NO_TEXT: Final = ("Cc", "Zl", "Zp")
"""Categories of Unicode: control characters and line ends."""
_AS_DRAWN: Final = (
    "This rule has been drawn for you: take its domain, columns, target and sentence, and put its script, full and "
    "partial lines into hidden_rule, so that they are programmed as they are."
)


def strategy_of(dossier: Dossier) -> Strategy:
    """The strategist's answer in a dossier."""
    return cast(Strategy, dossier.answers[STRATEGIST])


def evaluation_of(dossier: Dossier) -> Evaluation:
    """The engineer's answer in a dossier."""
    return cast(Evaluation, dossier.answers[ENGINEER])


def _random_draw(dossier: Dossier) -> dict[str, int]:
    return {"rng_seed": dossier.rng_seed, "index": dossier.index}


def _families(config: StrategistConfig, dossier: Dossier) -> list[Any]:
    """The names that a plan may choose from; what a plugin brings is drawn here and told with its lines."""
    seed, named = dossier.seed, {rule.name: rule for rule in dossier.rules}
    told: list[Any] = []
    for name in config.families:
        rule = named.get(name)
        if rule is None:
            told.append(name)
        elif seed.modality == "tabular" and seed.task_type in rule.task_types:
            with boundary(PluginError, f"rule family {name!r} failed in its draw()"):
                drawn = rule.draw(Random(f"{name}:{dossier.rng_seed}:{dossier.index}"))
            told.append({"name": name, "how": _AS_DRAWN, **asdict(drawn)})
    return told


@dataclass(frozen=True, slots=True, kw_only=True)
class DataStrategist:
    """Plans: a new domain for the seed's DNA, with a hidden rule and noise."""

    config: StrategistConfig = field(default_factory=StrategistConfig)
    name: str = STRATEGIST
    answer_type: type[BaseModel] = Strategy

    def prompt(self, dossier: Dossier) -> list[Message]:
        seed = dossier.seed
        blocks = {
            "seed": {
                "seed_id": seed.seed_id,
                "title": seed.title,
                "modality": seed.modality,
                "task_type": seed.task_type,
                "metric": seed.metric,
                "dna": dict(seed.dna),
                "source": seed.source,
            },
            "random_draw": _random_draw(dossier),
            "metrics": [
                {
                    "name": metric.name,
                    "direction": metric.direction.value,
                    "prediction": metric.prediction.value,
                    "summary": metric.summary,
                }
                for metric in METRICS.values()
                if suits(metric.name, seed.task_type)
                if not self.config.metrics or metric.name in self.config.metrics
            ],
            "families": _families(self.config, dossier),
            "accepted": list(dossier.accepted),
        }
        return prompts.conversation(self.name, blocks)

    async def trial(self, answer: BaseModel, dossier: Dossier, sandbox: Sandbox) -> RoleVerdict:
        try:
            check_plan(cast(Strategy, answer), dossier, self.config)
        except FaultError as fault:
            return RoleVerdict(problem=str(fault))
        return RoleVerdict()


def check_plan(plan: Strategy, dossier: Dossier, config: StrategistConfig) -> None:
    """Hold a plan against its seed and against what tasks may be.

    Raises:
        FaultError: the first thing that does not hold.
    """
    seed = dossier.seed
    if (plan.modality, plan.task_type) != (seed.modality, seed.task_type):
        raise FaultError(f"modality and task_type must be the seed's: {seed.modality} {seed.task_type}")
    check_shape(plan)
    for name, allowed in (("metric", config.metrics), ("rule_family", config.families)):
        if allowed and getattr(plan, name) not in allowed:
            raise FaultError(f"{name} must be one of {', '.join(allowed)}, not {getattr(plan, name)!r}")
    wished = seed.dna.get("train_rows")
    if wished is not None and plan.train_rows != wished:
        raise FaultError(f"train_rows must be {wished}, as the seed's DNA wishes")
    if wished is None and plan.train_rows > MICRO_TRAIN_ROWS:
        raise FaultError(f"train_rows may be at most {MICRO_TRAIN_ROWS}")
    least = 300 if {column.kind for column in plan.columns} & set(FILE_KINDS) else MIN_PRIVATE_ROWS
    if not least <= plan.private_board_rows <= MAX_PRIVATE_ROWS:
        raise FaultError(f"private_board_rows must lie between {least} and {MAX_PRIVATE_ROWS}")
    if plan.public_board_rows > MAX_PUBLIC_ROWS:
        raise FaultError(f"public_board_rows may be at most {MAX_PUBLIC_ROWS}")


def check_shape(plan: Strategy) -> None:
    """Hold a plan against what every task's plan is, whatever it was made from: a downloaded one may be anything.

    Raises:
        FaultError: the first thing that does not hold.
    """
    if plan.metric not in METRICS:
        raise FaultError(f"metric {plan.metric[:40]!r} is not in the list: {', '.join(METRICS)}")
    if not suits(plan.metric, plan.task_type):
        raise FaultError(f"metric {plan.metric!r} does not suit {plan.task_type}")
    for name, words in (("title", (plan.title,)), ("domain", (plan.domain,)), ("noise_families", plan.noise_families)):
        if any(category(letter) in _NO_TEXT for letter in "".join(words)):
            raise FaultError(f"{name}: write plain text on one line, without control characters")
    if len(plan.noise_families) > MAX_NAMES or max(map(len, (plan.rule_family, *plan.noise_families))) > MAX_NAME:
        raise FaultError(f"rule_family and at most {MAX_NAMES} noise_families are names of up to {MAX_NAME} characters")
    _check_plan_columns(plan)


def _check_plan_columns(plan: Strategy) -> None:
    names = [column.name for column in plan.columns]
    kinds: list[str] = [column.kind for column in plan.columns]
    if len({name.lower() for name in names}) != len(names):
        raise FaultError("two columns have the same name (upper and lower case are not told apart)")
    if BOARD_COLUMN in names:
        raise FaultError(f"{BOARD_COLUMN!r} is the name of a column of the answers file; choose another")
    for kind in ("id",) if plan.task_type in SEVERAL_TARGETS else ("id", "target"):
        if kinds.count(kind) != 1:
            raise FaultError(f"exactly one column of kind {kind!r} is needed, not {kinds.count(kind)}")
    if plan.task_type in SEVERAL_TARGETS and not 2 <= kinds.count("target") <= MAX_TARGETS:
        raise FaultError(
            f"{plan.task_type} needs 2 to {MAX_TARGETS} columns of kind 'target', not {kinds.count('target')}"
        )
    _check_modality(plan, set(kinds))


def _check_modality(plan: Strategy, kinds: set[str]) -> None:
    own = {"text": "text", "image": "image", "audio": "audio", "series": "series"}
    needed = own.get(plan.modality)
    if needed and needed not in kinds:
        raise FaultError(f"a task of modality {plan.modality!r} needs a column of kind {needed!r}")
    if plan.modality in ("tabular", "graph") and set(own.values()) & kinds:
        raise FaultError(f"a {plan.modality} task has no columns of kind {', '.join(map(repr, own.values()))}")
    if plan.modality == "multimodal" and not ({"text", "image"} & kinds and {"number", "category"} & kinds):
        raise FaultError("a multimodal task has a column of kind 'text' or 'image' beside numbers or categories")
    if plan.modality in get_args(KnownModality) and (plan.modality == "graph") != bool(plan.shared_files):
        raise FaultError("a graph task, and no other, lists its edge list under shared_files: edges.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class MlDeveloper:
    """Writes the generator script; the trial runs it and holds its files against the strategy."""

    config: RoleConfig = field(default_factory=RoleConfig)
    name: str = DEVELOPER
    answer_type: type[BaseModel] = Development

    def prompt(self, dossier: Dossier) -> list[Message]:
        blocks = {"strategy": strategy_of(dossier).model_dump(mode="json"), "random_draw": _random_draw(dossier)}
        return prompts.conversation(self.name, blocks)

    async def trial(self, answer: BaseModel, dossier: Dossier, sandbox: Sandbox) -> RoleVerdict:
        script, strategy = cast(Development, answer).script, strategy_of(dossier)
        most = most_bytes(strategy.train_rows)
        try:
            files = await run_generator(sandbox, script, dossier.rng_seed, self.config.script_timeout_s, most)
            tables = check_files(files, strategy)
            check_words(tables, strategy)
            check_pictures_and_sounds(files, tables, strategy)
        except FaultError as fault:
            return RoleVerdict(problem=str(fault))
        return RoleVerdict(files=files)


@dataclass(frozen=True, slots=True, kw_only=True)
class MlopsEngineer:
    """Says how submissions look and writes the population; the trial runs every member."""

    config: RoleConfig = field(default_factory=RoleConfig)
    name: str = ENGINEER
    answer_type: type[BaseModel] = Evaluation

    def prompt(self, dossier: Dossier) -> list[Message]:
        blocks = {
            "strategy": strategy_of(dossier).model_dump(mode="json"),
            "files": prompts.file_listing(dossier),
            "random_draw": _random_draw(dossier),
        }
        return prompts.conversation(self.name, blocks)

    async def trial(self, answer: BaseModel, dossier: Dossier, sandbox: Sandbox) -> RoleVerdict:
        evaluation = cast(Evaluation, answer)
        try:
            key = check_format(evaluation, strategy_of(dossier), dossier.files)
            files = await run_population(evaluation, dossier.files, sandbox, key, self.config.script_timeout_s)
        except FaultError as fault:
            return RoleVerdict(problem=str(fault))
        return RoleVerdict(files=files)


@dataclass(frozen=True, slots=True, kw_only=True)
class TechnicalWriter:
    """Writes the description; the trial looks for every column, the metric, and words of the rule."""

    name: str = WRITER
    answer_type: type[BaseModel] = Writing

    def prompt(self, dossier: Dossier) -> list[Message]:
        evaluation = evaluation_of(dossier).model_dump(mode="json", exclude={"solutions", "ladder"})
        evaluation["direction"] = METRICS[evaluation["metric"]].direction.value
        blocks = {
            "strategy": strategy_of(dossier).model_dump(mode="json"),
            "evaluation": evaluation,
            "files": prompts.file_listing(dossier),
        }
        return prompts.conversation(self.name, blocks)

    async def trial(self, answer: BaseModel, dossier: Dossier, sandbox: Sandbox) -> RoleVerdict:
        complaints = check_description(cast(Writing, answer).description, strategy_of(dossier))
        return RoleVerdict(problem="\n".join(complaints) or None)
