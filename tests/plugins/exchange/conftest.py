"""Runs written by hand, and the program and readers of other projects to read back what was exported."""

import importlib.util
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sandmle.cli import build_app
from sandmle.core.engine.store import open_store
from sandmle.core.engine.tasks import write_task as write_draft
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.types.episode import Episode, Outcome, Timings
from sandmle.core.types.message import Message, ModelReply, Reasoning, ToolCall, Usage
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.reward import RewardBreakdown
from sandmle.core.types.sandbox import CellStatus, IsolationLevel
from sandmle.core.types.score import Direction, Grade, Medal, Prediction, Thresholds
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import (
    MetricRecord,
    Provenance,
    RowCounts,
    SubmissionFormat,
    TaskSpec,
    ThresholdRecord,
)
from sandmle.core.types.trajectory import (
    Action,
    ActionKind,
    FeedbackMode,
    Observation,
    Segment,
    Step,
    StopReason,
    Trajectory,
    TranscriptEntry,
)

Words = Callable[..., Any]


def said(role: str, content: str, **more: Any) -> TranscriptEntry:
    return TranscriptEntry(message=Message(role=role, content=content, **more))  # type: ignore[arg-type]


def spoken(turn: int, text: str, *, exact: tuple[list[int], list[int]] | None = None, **more: Any) -> TranscriptEntry:
    """What the policy itself said; `exact` holds prompt ids and sampled ids."""
    prompt, sampled = exact or (None, None)
    reply = ModelReply(
        text=text,
        usage=Usage(prompt_tokens=10, completion_tokens=4, cost_usd=0.01),
        prompt_ids=None if prompt is None else tuple(prompt),
        sampled_ids=None if sampled is None else tuple(sampled),
        log_probs=None if sampled is None else (-0.5,) * len(sampled),
        **more,
    )
    message = Message(role="assistant", content=text, token_ids=reply.sampled_ids, **more)
    return TranscriptEntry(message=message, reply=reply, turn=turn)


def grade(medal: Medal = Medal.NONE, score: float = 0.5) -> Grade:
    return Grade(
        valid=True, score=score, public_score=0.4, medal=medal, above_median=False, human_rank=0.25, problem=None
    )


def reward(total: float | None) -> RewardBreakdown:
    return RewardBreakdown(preset="paper", total=total, parts={"format": 1.0}, weights={"format": 0.1})


TALK = (
    said("system", "You compete."),
    said("user", "Predict it. Ünïcode, too: 雪"),
    spoken(0, "<think>look</think>print(1)"),
    said("user", "<tool_response>1</tool_response>"),
    spoken(1, "<answer>submission</answer>"),
    said("user", "too late to be read"),
)


def episode(*segments: Sequence[TranscriptEntry], task: str = "apples", slot: int = 0, **changes: Any) -> Episode:
    """A scored episode under react, unless `changes` say otherwise."""
    fields: dict[str, Any] = {
        "episode_id": f"{task}/{slot}",
        "task_id": task,
        "slot": slot,
        "outcome": Outcome.SCORED,
        "stop_reason": StopReason.FINISHED,
        "model": "offline/agent",
        "scaffold": "react",
        "sandbox": "process",
        "level": IsolationLevel.L3,
        "feedback": FeedbackMode.PUBLIC_BOARD,
        "policy_version": 3,
        "trajectory": Trajectory(
            segments=tuple(Segment(entries=tuple(entries)) for entries in segments or (TALK,)),
            steps=(
                Step(
                    action=Action(kind=ActionKind.RUN_CODE, code="print(1)"),
                    observation=Observation(text="1", cell=CellStatus.OK),
                    turn=0,
                    wall_s=0.1,
                ),
            ),
        ),
        "grade": grade(),
        "thresholds": Thresholds(gold=0.9, silver=0.8, bronze=0.7, median=float("nan")),
        "direction": Direction.MAXIMIZE,
        "reward": reward(0.4),
        "usage": Usage(prompt_tokens=20, completion_tokens=8, cost_usd=0.02),
        "timings": Timings(),
        "attempts": 1,
        "failure": None,
        "started_at": "2026-01-01T00:00:00+00:00",
    }
    return Episode(**{**fields, **changes})


CALLING = (
    said("user", "Call."),
    spoken(
        0,
        "",
        tool_calls=(
            ToolCall(call_id="a", name="run_python", arguments='{"code":  "1"}'),
            ToolCall(call_id="b", name="submit", arguments="no json"),
        ),
        reasoning=Reasoning(text="hm"),
    ),
    said("tool", "one", tool_call_id="a"),
    said("tool", "two", tool_call_id="b"),
    spoken(1, "done"),
)
"""Native calls, one of which is no JSON."""


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def needs(*packages: str) -> None:
    """Skip, by name, what only another project's package can show."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"read back by {', '.join(missing)}: not installed here; see docs/exchange.md")


@dataclass(frozen=True)
class Kind:
    """What a hand-written task is scored by, and what its answers hold."""

    metric: str
    classes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ("target",)

    @property
    def prediction(self) -> Prediction:
        return METRICS[self.metric].prediction


COLOURS = ("blue", "green", "red")
KINDS = (
    *(Kind(metric) for metric in ("rmse", "mae", "rmsle", "r2", "spearman")),
    *(Kind(metric, COLOURS) for metric in ("accuracy", "balanced_accuracy", "f1_macro")),
    Kind("qwk", ("1", "10", "2")),
    *(Kind(metric, ("no", "yes")) for metric in ("roc_auc", "average_precision", "log_loss")),
    Kind("log_loss", COLOURS, COLOURS),
    Kind("accuracy", ("False", "True")),
)
"""Every metric, and every form of labels and probabilities."""
ROWS = 24
PATTERN = (0, 1, 1, 0, 2, 0, 1, 2, 2, 1, 0, 0, 2, 1, 2, 0, 1, 0, 0, 2, 1, 2, 1, 1)
"""Classes by row, so that both boards have all of them."""


def truth_of(kind: Kind, row: int) -> str:
    return kind.classes[PATTERN[row] % len(kind.classes)] if kind.classes else repr(0.5 + (row * 37 % 11) / 7)


def answers_of(kind: Kind) -> bytes:
    column = "target" if len(kind.targets) > 1 else kind.targets[0]
    rows = [f"{100 + row},{truth_of(kind, row)},{'public' if row % 3 == 0 else 'private'}" for row in range(ROWS)]
    return ("\n".join([f"row_id,{column},board", *rows]) + "\n").encode()


def submission(kind: Kind, noise: float, rng_seed: int = 0) -> bytes:
    """A valid submission whose predictions are wrong the more, the more noise there is."""
    rng = random.Random(f"{rng_seed}/{kind}")
    lines_ = [",".join(("row_id", *kind.targets))]
    for row in rng.sample(range(ROWS), ROWS):
        truth = truth_of(kind, row)
        if kind.prediction is Prediction.VALUE:
            cells = [repr(abs(float(truth) + rng.gauss(0, 1) * noise))]
        elif kind.prediction is Prediction.LABEL:
            cells = [rng.choice(kind.classes) if rng.random() < noise else truth]
        elif len(kind.targets) == 1:
            cells = [repr(min(1.0, max(0.0, (truth == kind.classes[1]) + rng.uniform(-1, 1) * noise)))]
        else:
            cells = [repr((truth == name) + rng.random() * noise / 3) for name in kind.targets]
            cells = [repr(min(1.0, float(cell))) for cell in cells]
        lines_.append(",".join([str(100 + row), *cells]))
    return ("\n".join(lines_) + "\n").encode()


def write_task(folder: Path, kind: Kind, task_id: str, *, modality: str = "tabular", **parts: Any) -> Path:
    """A task directory with a board of twenty scores. `parts`: answers, board or classes of another kind."""
    direction = METRICS[kind.metric].direction
    best, step = (0.999, -0.05) if direction is Direction.MAXIMIZE else (0.001, 0.11)
    board = parts.get("board") or "rank,score\n" + "".join(
        f"{place + 1},{best + step * place:.5f}\n" for place in range(20)
    )
    scores = [float(line.split(",")[1]) for line in board.split()[1:]]
    spec = TaskSpec(
        task_id=task_id,
        title=f"Guess the {task_id}: 'quoted'",
        domain="orchards",
        modality=modality,  # type: ignore[arg-type]
        task_type="classification" if kind.classes else "regression",
        rule_family="hand-written",
        noise_families=(),
        metric=MetricRecord(name=kind.metric, direction=direction),
        submission=SubmissionFormat(
            id_column="row_id",
            target_columns=kind.targets,
            prediction=kind.prediction,
            classes=parts.get("classes", kind.classes),
        ),
        rows=RowCounts(train=3, public_board=8, private_board=16),
        dna={},
        thresholds=parts.get("thresholds")
        or ThresholdRecord(gold=scores[1], silver=scores[3], bronze=scores[7], median=(scores[9] + scores[10]) / 2),
        solutions=(),
        checks_passed=(),
        provenance=Provenance(
            generator_model="hand",
            rng_seed=0,
            index=0,
            seed_id="none",
            prompt_sha256={},
            versions={},
            content_sha256={},
        ),
    )
    test = "row_id,weight\n" + "".join(f"{100 + row},{row}\n" for row in range(ROWS))
    public = {
        "train.csv": b"row_id,weight,target\n1,2,3\n",
        "test.csv": test.encode(),
        "sample_submission.csv": submission(kind, 0.9),
        **({"images/100.png": b"png"} if modality == "image" else {}),
    }
    private = {"answers.csv": parts.get("answers") or answers_of(kind), "leaderboard.csv": board.encode()}
    draft = TaskDraft(spec=spec, description=f"# {task_id}\n\nGuess it.\n", public=public, private=private)
    return write_draft(folder, draft).layout.root


def write_all(folder: Path, *kinds: Kind) -> Path:
    """A folder with a task of every kind, or of those given."""
    for number, kind in enumerate(kinds or KINDS):
        modality = ("tabular", "text", "image")[number % 3]
        write_task(folder, kind, f"task-{number:02d}-{kind.metric.replace('_', '-')}", modality=modality)
    return folder


@pytest.fixture
def write_tasks(tmp_path: Path) -> Callable[..., Path]:
    return lambda *kinds: write_all(tmp_path / "tasks", *kinds)


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """What tests build runs of and read files with."""
    return SimpleNamespace(
        episode=episode,
        said=said,
        spoken=spoken,
        grade=grade,
        reward=reward,
        talk=TALK,
        calling=CALLING,
        lines=lines,
        needs=needs,
        Kind=Kind,
        kinds=KINDS,
        submission=submission,
        write_task=write_task,
        write_all=write_all,
    )


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """A run directory with these episodes."""

    def write(*episodes: Episode, name: str = "run") -> Path:
        root = tmp_path / name
        with open_store(root, {"run": {"model": "offline/agent"}}) as store:
            for one in episodes:
                store.add_episode(one)
        return root

    return write


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The program in this process; an error of ours is what the result's `exception` holds."""
    monkeypatch.setenv("SANDMLE_PLUGINS", "")
    app = build_app(open_toolkit())
    return lambda *words: CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture
def export(program: Callable[..., Result]) -> Words:
    """`sandmle export trajectories`, whose summary is given back."""

    def run(*words: object) -> Any:
        done = program("export", "trajectories", *words, "--json")
        if done.exception is not None:
            raise done.exception
        return json.loads(done.stdout)

    return run
