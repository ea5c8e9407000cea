"""What was trained: the output directory of a trainer, read for the page.

A training may be under way; the page then shows the steps there are. The files are the trainer's: `config.toml` with
a `method`, `metrics.jsonl` with a line per step, and `evaluations.jsonl` with a line per validation.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.store import CONFIG, read_config
from sandmle.core.errors import RunError

METRICS: Final = "metrics.jsonl"
VALIDATIONS: Final = "evaluations.jsonl"
TITLES: Final = {"sft": "SFT", "grpo": "GRPO"}
"""Method to the name people know it by; other trainers' methods stand as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingView:
    """One training run, read."""

    folder: Path
    name: str
    """Of the directory."""
    method: str
    title: str
    """What its policy is called: the method, with the directory's name where two have the same method."""
    steps: tuple[Mapping[str, Any], ...]
    """Lines of metrics.jsonl by step: epochs of imitation, updates of GRPO."""
    validations: tuple[Mapping[str, Any], ...]
    wanted: int | None
    """Steps it will have when complete; None when its configuration does not say."""
    tasks: Mapping[str, str]
    """Training tasks to their hashes."""
    adapter: bool | None
    """Whether a LoRA adapter was trained; None when the configuration does not say."""
    demonstrations: bool
    """Whether steps are passes over demonstrations."""

    @property
    def complete(self) -> bool:
        return self.wanted is None or len(self.steps) >= self.wanted

    @property
    def unit(self) -> str:
        return "epoch" if self.demonstrations else "step"

    @property
    def episodes(self) -> int:
        """That the policy played while it was trained."""
        return sum(int(one.get("episodes") or 0) for one in self.steps)

    @property
    def seconds(self) -> float:
        """Of all steps, validations not counted."""
        return sum(_seconds(one.get("seconds")) for one in self.steps)

    def series(self, measure: str) -> tuple[tuple[float, float], ...]:
        """(step, value) wherever a step has that number."""
        return _points(self.steps, measure)

    def validated(self, measure: str) -> tuple[tuple[float, float], ...]:
        """(step, value) on the validation tasks."""
        return _points(self.validations, measure)


def read_training(folder: Path, title: str = "") -> TrainingView:
    """Read a trainer's output directory without touching it.

    Raises:
        RunError: it is none, or a line other than a torn last one is damaged.
    """
    if not folder.is_dir():
        raise RunError(f"{folder} is not a directory; --training takes what `sandmle train ... -o` wrote")
    if not (folder / CONFIG).is_file():
        raise RunError(f"{folder} is no training run: it has no {CONFIG}; --training takes what `sandmle train` wrote")
    config = read_config(folder)
    method = config.get("method")
    if not isinstance(method, str):
        kind = "a run directory of episodes (name it with --run)" if "run" in config else "no training run"
        raise RunError(f"{folder} is {kind}: its {CONFIG} names no training method; --training takes a trainer's -o")
    section = config.get(method)
    options = section if isinstance(section, dict) else {}
    wanted = options.get("steps", options.get("epochs"))
    adapter = options.get("adapter")
    tasks = config.get("tasks")
    return TrainingView(
        folder=folder.resolve(),
        name=folder.resolve().name,
        method=method,
        title=title or TITLES.get(method, method),
        steps=_lines(folder / METRICS),
        validations=_lines(folder / VALIDATIONS),
        wanted=wanted if isinstance(wanted, int) else None,
        tasks=tasks if isinstance(tasks, dict) else {},
        adapter=adapter if isinstance(adapter, bool) else None,
        demonstrations="epochs" in options and "steps" not in options,
    )


def _lines(path: Path) -> tuple[Mapping[str, Any], ...]:
    """Every whole line, in order of `step`; a torn last line is left out, as the trainer itself does."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as problem:
        raise RunError(f"cannot read {path}: {problem.strerror}") from problem
    found: list[Mapping[str, Any]] = []
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        if line.endswith(b"\n"):
            found.append(_line(path, number, line))
    return tuple(sorted(found, key=lambda one: float(one["step"])))


def _line(path: Path, number: int, line: bytes) -> Mapping[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise RunError(f"{path}:{number} is not JSON: {problem}") from problem
    if not isinstance(values, dict) or _number(values.get("step")) is None:
        raise RunError(f"{path}:{number} is no line of a trainer: it has no number `step`")
    return values


def _points(lines: Sequence[Mapping[str, Any]], measure: str) -> tuple[tuple[float, float], ...]:
    pairs = [(_number(one["step"]), _number(one.get(measure))) for one in lines]
    return tuple((step, value) for step, value in pairs if step is not None and value is not None)


def _number(value: object) -> float | None:
    """The value when it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) < float("inf") else None


def _seconds(value: object) -> float:
    parts = value.values() if isinstance(value, dict) else [value]
    return sum(number for number in map(_number, parts) if number is not None)
