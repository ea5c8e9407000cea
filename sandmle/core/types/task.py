"""A task: what `task.toml` says, and where its files lie. Reading and writing is `engine/tasks.py`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandmle.core.types.score import Direction, Prediction

SCHEMA_VERSION = 1
TASK_ID_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
"""Lower case, digits and single hyphens: MLE-bench breaks on dots and underscores."""

KnownModality = Literal["tabular", "text", "image", "multimodal", "graph", "audio", "series"]
"""`multimodal` is images or texts beside a table; `graph` an edge list beside a table of nodes; `audio` WAV files;
`series` files of readings in time."""
Modality = KnownModality | Annotated[str, Field(pattern=r"^x-[a-z0-9]+(-[a-z0-9]+)*$")]
"""One of ours, or a plugin's own, whose name begins with `x-`."""
TaskType = Literal["classification", "regression", "multilabel", "ranking", "forecasting", "reconstruction"]
"""`ranking` orders the test rows by a grade; `reconstruction` restores several hidden values of each row."""


class _Record(BaseModel):
    # Building validators takes longer than showing help: it waits for the first use.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class SubmissionFormat(_Record):
    """What a valid submission.csv looks like."""

    id_column: str
    target_columns: tuple[str, ...]
    """One column, or several: one per class (named as the class, in sample order) for multi-class probabilities, one
    per label where several may apply, one per value where several are asked for."""
    prediction: Prediction
    classes: tuple[str, ...] = ()
    """Class names as text, sorted; for a two-class probability the second is the positive class. Empty for values."""


class MetricRecord(_Record):
    name: str
    direction: Direction


class RowCounts(_Record):
    train: Annotated[int, Field(ge=1)]
    public_board: Annotated[int, Field(ge=1)]
    private_board: Annotated[int, Field(ge=1)]


class ThresholdRecord(_Record):
    """All NaN where the task awards no medals because too few rows grade it."""

    gold: float
    silver: float
    bronze: float
    median: float


class SolutionRecord(_Record):
    """One member of the reference population and its score on the private-board rows."""

    name: str
    score: float
    code_sha256: str
    """Of its source in `private/solutions/<name>.py`; empty for the oracle and the sample submission."""


class CalibrationRecord(_Record):
    """How well the board tells solutions apart, measured on the private-board rows alone."""

    standard_errors: dict[str, float]
    """Gap between neighbouring thresholds, such as `gold-silver`, to the paired bootstrap error of its scores."""
    agreement: float
    """The largest share of predictions on which two members of the population agree."""
    halves: float
    """Spearman correlation of the members' ranks by two halves of the rows, mean over several halvings."""
    halves_top: float
    """The same within the better half of the board."""


class Provenance(_Record):
    generator_model: str
    rng_seed: int
    index: int
    """Which draft of the corpus this was; every random stream is derived from (rng_seed, index)."""
    seed_id: str
    origin: Literal["synthetic", "real", "competition"] = "synthetic"
    """`real` marks rows of real data, `competition` one of another benchmark that grades it by its own code, from files
    that lie elsewhere. No training may take either."""
    prompt_sha256: dict[str, str]
    """Role name to hash of the prompt it answered."""
    versions: dict[str, str]
    """Package name to version, of what generated and fitted."""
    content_sha256: dict[str, str]
    """Relative path to hash, of every other file of the task directory."""


class TaskSpec(_Record):
    """The whole of `task.toml`."""

    schema_version: Literal[1] = 1
    task_id: Annotated[str, Field(pattern=TASK_ID_PATTERN)]
    title: str
    domain: str
    modality: Modality
    task_type: TaskType
    rule_family: str
    noise_families: tuple[str, ...]
    metric: MetricRecord
    submission: SubmissionFormat
    rows: RowCounts
    dna: dict[str, float | int | str]
    """The seed's measured DNA that this task was amplified from."""
    thresholds: ThresholdRecord
    ladder: tuple[str, ...] = ()
    """The solutions whose scores the thresholds are, from median to gold; empty where the board's positions say."""
    solutions: tuple[SolutionRecord, ...]
    calibration: CalibrationRecord | None = None
    """None where it was not measured: in tasks of real rows, and in those made before it was."""
    checks_passed: tuple[str, ...]
    provenance: Provenance


class TaskLayout:
    """Where the files of a task directory lie. Only `public` paths may be shown to a sandbox."""

    __slots__ = ("root",)

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def spec(self) -> Path:
        return self.root / "task.toml"

    @property
    def description(self) -> Path:
        return self.root / "description.md"

    @property
    def public(self) -> Path:
        return self.root / "public"

    @property
    def private(self) -> Path:
        return self.root / "private"

    @property
    def answers(self) -> Path:
        """`private/answers.csv`: the id column, the true target column(s), and `board` (public | private)."""
        return self.private / "answers.csv"

    @property
    def leaderboard(self) -> Path:
        """`private/leaderboard.csv`: `rank,score`, best first, at most 5 decimals."""
        return self.private / "leaderboard.csv"

    @property
    def sample_submission(self) -> Path:
        return self.public / "sample_submission.csv"
