"""Runs written by hand, and the program and readers of other projects to read back what was exported."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sandmle.cli import build_app
from sandmle.core.engine.store import open_store
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.types.episode import Episode, Outcome, Timings
from sandmle.core.types.message import Message, ModelReply, Reasoning, ToolCall, Usage
from sandmle.core.types.reward import RewardBreakdown
from sandmle.core.types.sandbox import CellStatus, IsolationLevel
from sandmle.core.types.score import Direction, Grade, Medal, Thresholds
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


UNRULY = (
    said("system", "You compete."),
    said("user", "Go."),
    spoken(0, "First."),
    spoken(1, "Second, at once."),
    said("user", "one"),
    said("system", "two"),
    spoken(2, "I run it.", tool_calls=(ToolCall(call_id="c", name="run_python", arguments='{"code": "1"}'),)),
    said("tool", "ran", tool_call_id="c"),
    said("user", "Go on."),
    spoken(3, "Done."),
)
"""Twice said and twice shown in a row, a system's word in the middle, words beside a call."""


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


CONSUMERS_PYTHON = "CONSUMERS_PYTHON"
"""Environment variable: an interpreter that has the packages of the projects which read what we export."""


def read_back(*packages: str) -> Callable[..., Any]:
    """What runs a program on files where other projects' packages are, and gives back the JSON it prints.

    They are looked for here and in the interpreter that `CONSUMERS_PYTHON` names, since they need versions of Python
    and of other packages that are not ours. Where they are not, the test says so and is skipped.
    """
    look = "import importlib.util, sys; print(*[n for n in sys.argv[1:] if not importlib.util.find_spec(n)])"
    for python in filter(None, (os.environ.get(CONSUMERS_PYTHON), sys.executable)):
        words = [python, "-c", look, *packages]
        if not (missing := subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()):
            break
    else:
        pytest.skip(f"read back by {', '.join(missing)}, not installed here: {CONSUMERS_PYTHON}, see docs/exchange.md")

    def run(program: str, *words: object) -> Any:
        done = subprocess.run(
            [python, "-W", "ignore", "-c", program, *map(str, words)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


def _by_hand() -> ModuleType:
    # Folders of tests are no packages, so a neighbour is loaded by its path.
    path = Path(__file__).parent / "tasks_by_hand.py"
    spec = importlib.util.spec_from_file_location("exchange_tasks_by_hand", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BY_HAND = _by_hand()


@pytest.fixture
def write_tasks(tmp_path: Path) -> Callable[..., Path]:
    return lambda *kinds: BY_HAND.write_all(tmp_path / "tasks", *kinds)


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
        unruly=UNRULY,
        lines=lines,
        read_back=read_back,
        can_import=lambda name: importlib.util.find_spec(name) is not None,
        Kind=BY_HAND.Kind,
        kinds=BY_HAND.KINDS,
        colours=BY_HAND.KINDS[11],
        submission=BY_HAND.submission,
        write_task=BY_HAND.write_task,
        write_all=BY_HAND.write_all,
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
def export_tasks(program: Callable[..., Result]) -> Words:
    """`sandmle export tasks`, whose summary is given back; `code` is the exit code that it must have."""

    def run(*words: object, code: int = 0) -> Any:
        done = program("export", "tasks", *words, "--json")
        if done.exit_code != code:
            raise done.exception or AssertionError(done.output)
        return json.loads(done.stdout)

    return run


@pytest.fixture
def export(program: Callable[..., Result]) -> Words:
    """`sandmle export trajectories`, whose summary is given back."""

    def run(*words: object) -> Any:
        done = program("export", "trajectories", *words, "--json")
        if done.exception is not None:
            raise done.exception
        return json.loads(done.stdout)

    return run
