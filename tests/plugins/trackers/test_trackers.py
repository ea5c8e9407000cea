import csv
import io
import json

import pytest

from sandmle.core.contracts.tracker import Tracker
from sandmle.core.errors import ConfigError
from sandmle.core.hooks.events import (
    DraftFinished,
    EpisodeFinished,
    InfrastructureFailed,
    RunFinished,
    RunStarted,
    TrainStepFinished,
)
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.hooks.registry import Kind
from sandmle.plugins.trackers.progress import ProgressTracker


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def make():
    registry = load_plugins(builtins=["sandmle.plugins.trackers.plugin"]).registry
    return lambda name, **options: registry.make(Kind.TRACKER, name, options)


def finished(slot=0, outcome="scored", medal="gold", reward=1.0):
    return EpisodeFinished(
        run_id="r", task_id="a", slot=slot, outcome=outcome, medal=medal, reward=reward, wall_s=1.5
    )  # fmt: skip


EVENTS = (
    RunStarted(run_id="r", episodes=3, done=1),
    finished(),
    InfrastructureFailed(run_id="r", task_id="a", slot=1, attempt=1, error="SandboxError: [gone]", after="run_code"),
    finished(slot=1, outcome="unscored", medal="none", reward=None),
    RunFinished(run_id="r", episodes=3, infrastructure=0),
)


@pytest.mark.parametrize("name", ["progress", "jsonl", "csv"])
def test_every_tracker_takes_every_event_and_closes_twice(make, name, tmp_path):
    tracker = make(name) if name == "progress" else make(name, path=tmp_path / "out")
    assert isinstance(tracker, Tracker)
    for event in (*EVENTS, object()):
        tracker.record(event)
    tracker.close()
    tracker.close()


def test_progress_writes_plain_lines_where_there_is_no_terminal():
    stream = io.StringIO()
    tracker = ProgressTracker(stream)
    for event in EVENTS:
        tracker.record(event)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "1/3 episodes"
    assert lines[-1] == "3/3 episodes  gold 1 unscored 1"
    assert any("[gone]" in line for line in lines)
    assert "\x1b" not in stream.getvalue()


def test_progress_counts_drafts_while_tasks_are_made():
    stream = io.StringIO()
    tracker = ProgressTracker(stream)
    for index, check in enumerate((None, "leak-probe", None)):
        accepted = index + 1 if check is None else index
        tracker.record(
            DraftFinished(index=index, task_id="t", check=check, detail="", accepted=min(accepted, 2), wanted=2)
        )
    assert stream.getvalue().splitlines()[-1] == "2/2 tasks  rejected 1"


def test_progress_draws_a_bar_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    tracker = ProgressTracker(stream)
    for event in EVENTS:
        tracker.record(event)
    tracker.close()
    assert "3/3" in stream.getvalue()
    assert "\x1b[" in stream.getvalue()


def test_jsonl_keeps_every_event_and_goes_on_in_the_same_file(make, tmp_path):
    path = tmp_path / "deep" / "events.jsonl"
    for _ in range(2):
        tracker = make("jsonl", path=path)
        for event in EVENTS:
            tracker.record(event)
        tracker.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in lines] == [type(event).__name__ for event in EVENTS] * 2
    assert lines[1]["reward"] == 1.0


def test_csv_has_one_header_and_one_row_per_episode(make, tmp_path):
    path = tmp_path / "episodes.csv"
    for _ in range(2):
        tracker = make("csv", path=path)
        for event in EVENTS:
            tracker.record(event)
        tracker.close()
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["task_id"], row["medal"], row["reward"]) for row in rows] == [
        ("a", "gold", "1.0"),
        ("a", "none", ""),
    ] * 2


def test_a_file_that_cannot_be_written_is_a_clear_error(make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="set another path"):
        make("csv", path=tmp_path / "file" / "out.csv")
    with pytest.raises(ConfigError, match=r"plugin\.tracker\.csv\.path"):
        make("csv")


def test_what_is_no_number_is_null_in_json_lines(make, tmp_path):
    tracker = make("jsonl", path=tmp_path / "out")
    figures = {"loss": float("nan"), "ratio": float("inf"), "reward": 0.5}
    tracker.record(TrainStepFinished(run_id="r", kind="step", step=1, steps=2, figures=figures))
    tracker.close()
    line = json.loads((tmp_path / "out").read_text(), parse_constant=pytest.fail)
    assert line["figures"] == {"loss": None, "ratio": None, "reward": 0.5}
