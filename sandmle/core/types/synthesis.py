"""Seeds, what the roles answer, drafts, evidence and problems.

The role answers are pydantic models because they enter as text from a language model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from sandmle.core.types.score import Prediction
from sandmle.core.types.task import Modality, TaskSpec, TaskType

MICRO_TRAIN_ROWS: Final = 200
"""Training rows of a task are at most so many: tasks are micro-scale."""
MAX_TRAIN_ROWS: Final = 1_000_000
"""Training rows of a task made larger on purpose; ids, files and checks are made for no more."""
Difficulty = Literal["easy", "medium", "hard"]
"""What a seed's DNA may wish for under `difficulty`; it may also wish for a `sector`, the kind of domain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """Source material of tasks: what a real data set looks like, in numbers and without its rows."""

    seed_id: str
    title: str
    modality: Modality
    task_type: TaskType
    metric: str
    """A name of `types/metrics.py`."""
    dna: Mapping[str, float | int | str]
    """Measured facts: rows, columns, numeric and categorical counts, cardinalities, missing share, class
    balance, dependence strength, image size, text length... The keys depend on the modality."""
    source: str
    """Which library carries the real data, such as `scikit-learn: load_wine`."""


class _Answer(BaseModel):
    # Language models add fields of their own; what is asked for is checked, what is extra is dropped.
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class ColumnPlan(_Answer):
    """One column of the data files the agent sees (for text and images: the id and the payload column too)."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=60)]
    kind: Literal["id", "number", "category", "text", "image", "audio", "series", "file", "target"]
    meaning: Annotated[str, Field(min_length=3)]
    """What it is in the domain, unit included: goes into the description."""


class Strategy(_Answer):
    """Data Strategist: the same DNA in a new domain, with a hidden rule and noise."""

    title: Annotated[str, Field(min_length=5, max_length=120)]
    domain: Annotated[str, Field(min_length=3, max_length=60)]
    scenario: Annotated[str, Field(min_length=40)]
    """Who needs the prediction and what a row is. Holds nothing of the rule."""
    modality: Modality
    task_type: TaskType
    metric: str
    train_rows: Annotated[int, Field(ge=50, le=MAX_TRAIN_ROWS)]
    """At most `MICRO_TRAIN_ROWS`, unless the seed's DNA wishes for a number of its own under `train_rows`."""
    public_board_rows: Annotated[int, Field(ge=200)]
    private_board_rows: Annotated[int, Field(ge=300)]
    columns: Annotated[tuple[ColumnPlan, ...], Field(min_length=3)]
    rule_family: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    hidden_rule: Annotated[str, Field(min_length=20)]
    """How labels follow from features, exactly enough to program it. Never shown to an agent."""
    noise_families: Annotated[tuple[str, ...], Field(min_length=1)]
    noise: Annotated[str, Field(min_length=10)]
    """The noise configuration, exactly enough to program it."""
    shared_files: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.csv$", max_length=40)], ...] = ()
    """Files of `public/` that belong to no single row, such as `edges.csv` of a graph."""

    @model_serializer(mode="wrap")
    def _without_nothing(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Strategies without shared files are written as they were before there were any."""
        found: dict[str, Any] = whole(self)
        return {name: value for name, value in found.items() if name != "shared_files" or value}


class Development(_Answer):
    """ML Developer: the generator script.

    Run in a sandbox with an empty working directory and the global name `RNG_SEED` (an int) set before it.
    It writes `public/train.csv`, `public/test.csv`, `public/sample_submission.csv`, media folders under
    `public/`, `private/answers.csv` (the id column, the true target, `board` = public | private) and
    `private/oracle.csv` (a submission made by who knows the rule but not the noise).
    """

    script: Annotated[str, Field(min_length=200)]


class ReferenceSolution(_Answer):
    """One member of the population: runs in a sandbox where `data/` is `public/`, writes `submission.csv`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
    code: Annotated[str, Field(min_length=20)]


class Evaluation(_Answer):
    """MLOps Engineer: what a submission looks like and who stands on the leaderboard."""

    metric: str
    id_column: str
    target_columns: Annotated[tuple[str, ...], Field(min_length=1)]
    prediction: Prediction
    classes: tuple[str, ...] = ()
    solutions: Annotated[tuple[ReferenceSolution, ...], Field(min_length=8)]
    ladder: tuple[str, ...] = ()
    """Names of four solutions of rising complexity, whose scores are the thresholds where those are a ladder."""


class Writing(_Answer):
    """Technical Writer: the description the agent reads. Every column and the metric, never the rule."""

    description: Annotated[str, Field(min_length=200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProblem:
    """Why a draft is not a task."""

    check: str
    """The check's name, such as `leak-probe`: the reason it is counted under."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDraft:
    """Everything that would become a task directory, before the checks have passed."""

    spec: TaskSpec
    description: str
    public: Mapping[str, bytes]
    """Path relative to `public/` to content."""
    private: Mapping[str, bytes]
    """Path relative to `private/` to content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was measured about a draft, for the checks to judge. Sandbox and grader have been used; checks compute."""

    strategy: Strategy
    rerun_sha256: Mapping[str, str]
    """Relative path to hash, from a second run of the generator script."""
    scores: Mapping[str, float]
    """Solution name (with `oracle`, `sample-submission` and `constant`) to score on the private-board rows."""
    standard_errors: Mapping[str, float]
    """`gold-silver`, `silver-bronze`, `bronze-median` to the paired bootstrap standard error of the score
    difference between the solutions at those thresholds, private-board rows."""
    agreement: float
    """The largest share of predictions on which two population members agree, in [0, 1]."""
    halves: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """`whole` and `top`: Spearman correlation of the members' ranks by two halves of the private-board rows, over the
    whole board and over its better half; empty where that was not measured."""
    leak_probes: Mapping[str, float]
    """Probe name to its skill above chance in [0, 1] at predicting the target from ids, order and file metadata."""
    cheats: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Cheat (an agent that models nothing) to its score on the private-board rows; none may be worth a medal."""
    accepted: tuple[TaskSpec, ...]
    """Tasks accepted so far, for the near-duplicate check; without the hashes of files that belong to single rows."""
    extra: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """Room for what a plugin's own role measured."""
