"""The output directory of a training run: what it was asked for, its metrics, its checkpoints.

    config.toml          what was asked for; a resumed run must ask for the same
    lessons.json         which trainings the policy has been through, and under which scaffolds
    metrics.jsonl        one line per step
    evaluations.jsonl    one line per evaluation
    checkpoints/0012/    weights and tokenizer as `local/PATH` opens them, trainer.pt, and SHA256SUMS of what was
                         trained; the weights below an adapter are one file, to which all checkpoints link
    best, last           links to checkpoints
    steps/, evaluations/ run directories

A checkpoint appears whole, by a rename, or not at all.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from sandmle.core.contracts.policy import TrainablePolicy
from sandmle.core.engine.line_log import LineLog
from sandmle.core.errors import RunError, StoreError, boundary
from sandmle.plugins.trainers.holding import held, read_lines

STATE: Final = "trainer.pt"
SUMS: Final = "SHA256SUMS"
BEST, LAST = "best", "last"
CHECKPOINTS: Final = "checkpoints"
_HALF_WRITTEN: Final = ".part"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerState:
    """What, beside the weights, a run goes on from."""

    step: int
    version: int
    """Updates made so far: the policy version."""
    optimizer: dict[str, Any] | None
    metrics: Mapping[str, Any] | None
    """The step's line of metrics.jsonl, which may not have been written yet."""


class Output:
    """One output directory, held by this process alone."""

    def __init__(self, root: Path, metrics: LineLog, evaluations: LineLog) -> None:
        self.root = root
        self._metrics = metrics
        self._evaluations = evaluations

    @property
    def policy_name(self) -> str:
        """The model string of the newest checkpoint."""
        return f"local/{self.root / LAST}"

    def checkpoint(self, step: int) -> Path:
        return self.root / CHECKPOINTS / f"{step:04d}"

    def newest(self) -> int | None:
        """Step of the newest whole checkpoint."""
        folder = self.root / CHECKPOINTS
        steps = [int(one.name) for one in folder.glob("*") if one.name.isdigit()] if folder.is_dir() else []
        return max(steps, default=None)

    def save(self, policy: TrainablePolicy, state: TrainerState, *, keep: int) -> None:
        """Write a checkpoint, let `last` point at it, remove old ones.

        Raises:
            StoreError: it could not be written; the ones before it stand as they were.
        """
        path = self.checkpoint(state.step)
        part = path.with_name(path.name + _HALF_WRITTEN)
        with boundary(StoreError, f"cannot write the checkpoint {path}"):
            shutil.rmtree(part, ignore_errors=True)
            shutil.rmtree(path, ignore_errors=True)
            try:
                newest = self.newest()
                policy.save(part, None if newest is None else self.checkpoint(newest))
                torch.save(_packed(state), part / STATE)
                (part / SUMS).write_text(_sums(part), "utf-8")
                _sync(part)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
            part.rename(path)
            self._point(LAST, state.step)
            self._prune(keep)

    def load(self, step: int) -> TrainerState:
        """What a checkpoint says beside its weights.

        Raises:
            RunError: it cannot be read, or it is not the one that was written here.
        """
        path = self.checkpoint(step) / STATE
        try:
            with boundary(StoreError, f"{path} cannot be read"):
                refuse_damage(path.parent)
                packed = torch.load(path, map_location="cpu", weights_only=True)
                state = TrainerState(
                    step=packed["step"],
                    version=packed["version"],
                    optimizer=packed["optimizer"],
                    metrics=json.loads(packed["metrics"]),
                )
                torch.set_rng_state(packed["torch_rng"])
                if state.step != step:
                    raise StoreError(f"{path} is of step {state.step}, from another place than this")
        except StoreError as problem:
            raise RunError(f"{problem}; {_remove(path.parent)}") from problem
        return state

    def point_at_newest(self, step: int) -> None:
        """A kill can fall between the checkpoint and its link."""
        with boundary(StoreError, f"cannot write {self.root / LAST}"):
            self._point(LAST, step)

    def mark_best(self, step: int) -> None:
        """Let `best` point at a checkpoint.

        Raises:
            StoreError: it could not be written.
        """
        with boundary(StoreError, f"cannot write {self.root / BEST}"):
            self._point(BEST, step)

    def record(self, line: Mapping[str, Any]) -> None:
        """Append a step's line, unless it is there.

        Raises:
            StoreError: it could not be written.
        """
        if all(one["step"] != line["step"] for one in self.metrics()):
            self._metrics.append(json.dumps(line).encode(), durable=True)

    def record_evaluation(self, line: Mapping[str, Any]) -> None:
        """Append an evaluation's line.

        Raises:
            StoreError: it could not be written.
        """
        self._evaluations.append(json.dumps(line).encode(), durable=True)

    def metrics(self) -> list[dict[str, Any]]:
        return list(read_lines(self._metrics.path))

    def evaluations(self) -> list[dict[str, Any]]:
        return list(read_lines(self._evaluations.path))

    def _point(self, name: str, step: int) -> None:
        new = self.root / f".{name}{_HALF_WRITTEN}"
        new.unlink(missing_ok=True)
        new.symlink_to(Path(CHECKPOINTS) / f"{step:04d}")
        new.replace(self.root / name)

    def _prune(self, keep: int) -> None:
        folder = self.root / CHECKPOINTS
        steps = sorted(int(one.name) for one in folder.iterdir() if one.name.isdigit())
        kept = {f"{step:04d}" for step in steps[-keep:]}
        if (self.root / BEST).is_symlink():
            kept.add((self.root / BEST).readlink().name)
        for one in folder.iterdir():
            if one.name not in kept:
                shutil.rmtree(one, ignore_errors=True)


@contextmanager
def open_output(root: Path, config: Mapping[str, Any]) -> Iterator[Output]:
    """Hold the output directory of a training run with this configuration, made if it is not there.

    Raises:
        RunError: another process holds it, or it was begun with another configuration (with the diff).
    """
    with held(root, config) as logs:
        yield Output(root, *logs)


def _remove(checkpoint: Path) -> str:
    return f"remove {checkpoint} to go on from the checkpoint before it"


def _sums(checkpoint: Path) -> str:
    """SHA-256 of the trainer's state and of the weights that were trained, as `sha256sum` writes and checks them.

    Those below an adapter have a fingerprint of their own, by which they are known wherever they lie.
    """
    adapter = checkpoint / "adapter"
    weights = sorted((adapter if adapter.is_dir() else checkpoint).glob("*.safetensors"))
    lines = []
    for one in (*weights, checkpoint / STATE):
        with one.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {one.relative_to(checkpoint)}\n")
    return "".join(lines)


def refuse_damage(checkpoint: Path) -> None:
    """Hold what was trained, and the trainer's state, against the sums that were written with them.

    Raises:
        StoreError: a file is not what was written.
        OSError: one cannot be read.
    """
    file = checkpoint / SUMS
    # Checkpoints of earlier versions have none.
    wanted = file.read_text("utf-8") if file.is_file() else None
    found = _sums(checkpoint)
    if wanted is not None and wanted != found:
        [first, *_] = sorted(line.partition("  ")[2] for line in {*wanted.splitlines()} ^ {*found.splitlines()})
        raise StoreError(f"{checkpoint} is damaged: {first} is not what was written")


def _packed(state: TrainerState) -> dict[str, Any]:
    return {
        "step": state.step,
        "version": state.version,
        "optimizer": state.optimizer,
        "metrics": json.dumps(state.metrics),
        "torch_rng": torch.get_rng_state(),
    }


def _sync(folder: Path) -> None:
    paths: Sequence[Path] = [*folder.rglob("*"), folder]
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
