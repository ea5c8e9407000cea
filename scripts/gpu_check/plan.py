"""What every stage is told, and how it says what it found: a file that is whole at every moment."""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A decoder like Qwen3's, its embedding tied to its head."""

    layers: int
    hidden: int
    heads: int
    key_value_heads: int
    head_width: int
    feed_forward: int
    rows: int
    """Of the embedding; the tokenizer uses the first few thousand."""
    vocabulary: int
    """Tokens of the tokenizer at most."""


SHAPES: Final = {
    "toy": Shape(
        layers=2, hidden=64, heads=4, key_value_heads=2, head_width=16, feed_forward=192, rows=2048, vocabulary=1024
    ),
    "0.1": Shape(
        layers=12, hidden=768, heads=12, key_value_heads=4, head_width=64, feed_forward=2304, rows=16384,
        vocabulary=4096,
    ),
    # Qwen3-0.6B's own numbers.
    "0.6": Shape(
        layers=28, hidden=1024, heads=16, key_value_heads=8, head_width=128, feed_forward=3072, rows=151_936,
        vocabulary=4096,
    ),
    "1.0": Shape(
        layers=28, hidden=1536, heads=16, key_value_heads=8, head_width=128, feed_forward=4096, rows=151_936,
        vocabulary=4096,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """How much of everything."""

    tasks: int
    demonstrations: int
    """Per task."""
    repeats: int
    """Passes over the demonstrations between two checkpoints of SFT, which are large."""
    epochs: int
    batch: int
    """Demonstrations of one update of SFT."""
    sft_rate: float
    steps: int
    tasks_per_step: int
    group_size: int
    grpo_rate: float
    rank: int
    replies: int
    """Decoded together where generation is timed."""
    reply_tokens: int
    long_prompt: int
    """Tokens, about, of the prompts of a second trial."""
    tiny: int
    """Trajectories of an update of the policy of 0.7 M."""
    matmul: int
    """Width of the square product whose speed is the limit."""
    copy_mib: int
    compared: int
    """Sequences shown to OpenRLHF's actor, as many as fit `compared_tokens`, padding included."""
    compared_tokens: int


FULL: Final = Amounts(
    tasks=24, demonstrations=6, repeats=12, epochs=2, batch=32, sft_rate=3e-4, steps=6, tasks_per_step=8, group_size=8,
    grpo_rate=2e-4, rank=32, replies=64, reply_tokens=128, long_prompt=2048, tiny=32, matmul=8192, copy_mib=4096,
    compared=8, compared_tokens=6144,
)  # fmt: skip
SMALL: Final = Amounts(
    tasks=3, demonstrations=4, repeats=10, epochs=2, batch=4, sft_rate=5e-3, steps=2, tasks_per_step=2, group_size=3,
    grpo_rate=1e-3, rank=4, replies=4, reply_tokens=16, long_prompt=256, tiny=8, matmul=512, copy_mib=32,
    compared=3, compared_tokens=6144,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run of the whole check."""

    root: Path
    """The checkout."""
    work: Path
    """For what is small: tasks, episodes, findings."""
    heavy: Path
    """For checkpoints, in memory where there is enough of it."""
    size: str
    device: str
    dtype: str
    amounts: Amounts

    @property
    def shape(self) -> Shape:
        return SHAPES[self.size]

    @property
    def tasks(self) -> Path:
        return self.work / "tasks"

    @property
    def demonstrations(self) -> Path:
        return self.work / "demonstrations"

    def policy(self) -> Path:
        """The furthest checkpoint that training got to."""
        reached = (self.heavy / name for name in ("grpo/last", "sft/last", "policy"))
        return next(path for path in reached if (path / "config.json").is_file())

    def findings(self, stage: str) -> Path:
        return self.work / f"{stage}.json"

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), default=str), "utf-8")


def read_plan(path: Path) -> Plan:
    data = json.loads(path.read_text("utf-8"))
    folders = {name: Path(data.pop(name)) for name in ("root", "work", "heavy")}
    return Plan(**folders, amounts=Amounts(**data.pop("amounts")), **data)


class Findings:
    """What a stage has found so far, written at every word: a stage that is stopped loses nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._began = time.monotonic()
        self._data: dict[str, Any] = {"rows": [], "facts": {}, "problems": []}

    def row(self, what: str, figure: str) -> None:
        """A line of the table."""
        print(f"{what}: {figure}", flush=True)
        self._data["rows"].append([what, figure])
        self._write()

    def facts(self, **facts: Any) -> None:
        """Figures at full length, for the JSON file."""
        self._data["facts"].update(facts)
        self._write()

    def problem(self, words: str) -> None:
        """Something is wrong: the stage goes on and has failed."""
        print(f"PROBLEM: {words}", flush=True)
        self._data["problems"].append(words)
        self._write()

    def expect(self, holds: bool, words: str) -> None:
        """A problem unless it holds."""
        if not holds:
            self.problem(words)

    def finish(self) -> None:
        """Leave the process, with 1 when there was a problem."""
        self._data["complete"] = True
        self._write()
        sys.exit(1 if self._data["problems"] else 0)

    def _write(self) -> None:
        self._data["seconds"] = round(time.monotonic() - self._began, 2)
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._data, indent=1), "utf-8")
        os.replace(part, self._path)


def begin(stage: str | None = None) -> tuple[Plan, Findings, float]:
    """Read the command line of a stage's process: its plan, where to say things, and its limit in seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("stage")
    parser.add_argument("plan", type=Path)
    parser.add_argument("limit_s", type=float)
    arguments = parser.parse_args()
    plan = read_plan(arguments.plan)
    return plan, Findings(plan.findings(stage or arguments.stage)), arguments.limit_s


def read_findings(path: Path) -> Mapping[str, Any]:
    """What a stage has said so far; nothing when it has not."""
    try:
        found: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {"rows": [], "facts": {}, "problems": []}
    return found
