"""The run directory: what a run was asked for, what happened, and one line per episode.

Every record is appended in one write and made durable before the run goes on, so that `kill -9` at any
moment loses the work under way and nothing else. Reading a run back is here too.
"""

import fcntl
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ConfigDict, RootModel, ValidationError

from sandmle.core.engine.budget import Charge, parse_charge
from sandmle.core.engine.line_log import LineLog, open_log
from sandmle.core.errors import PluginError, RunError
from sandmle.core.hooks.events import Event
from sandmle.core.types.episode import Episode, Outcome

CONFIG, EVENTS, EPISODES, FAILURES, LOCK = "config.toml", "events.jsonl", "episodes.jsonl", "failures.jsonl", ".lock"
USAGE = "usage.jsonl"
_HALF_WRITTEN_CONFIG = ".config.toml.part"
_OURS = frozenset({CONFIG, EVENTS, EPISODES, FAILURES, USAGE, LOCK, _HALF_WRITTEN_CONFIG})

DIFF_LINES = 20
"""Changed keys shown when a run is refused; more are only counted."""


class _EpisodeRecord(RootModel[Episode]):
    # JSON has no word for NaN and infinity, so they are written as strings and read back as numbers.
    model_config = ConfigDict(ser_json_inf_nan="strings")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRecord:
    """One attempt at a slot that the infrastructure or a plugin failed: a line of `failures.jsonl`."""

    task_id: str
    slot: int
    attempt: int
    kind: str
    """Name of the error's class, such as `SandboxError`; `PluginError` is a plugin's failure, all others are the
    infrastructure's."""
    error: str
    after: str
    """Kind of the action before the failure; `none` when there was none."""
    at: str
    """ISO 8601, UTC."""

    @property
    def is_infrastructure(self) -> bool:
        return self.kind != PluginError.__name__


class RunStore:
    """One run directory, held by this process alone."""

    def __init__(self, root: Path, *, episodes: LineLog, failures: LineLog, events: LineLog, usage: LineLog) -> None:
        self.root = root
        self._usage = usage
        self._episodes = episodes
        self._failures = failures
        self._events = events
        self._done = _recorded(episodes)

    @property
    def done(self) -> frozenset[tuple[str, int]]:
        """(task id, slot) of every episode recorded."""
        return frozenset(self._done)

    def add_episode(self, episode: Episode) -> None:
        """Record one episode, durably.

        Raises:
            StoreError: it could not be written; nothing of it is left in the file.
        """
        key = (episode.task_id, episode.slot)
        if key in self._done:
            raise ValueError(f"episode {episode.episode_id} is recorded already")
        self._episodes.append(_EpisodeRecord(episode).model_dump_json().encode(), durable=True)
        self._done.add(key)

    def forget_left_out(self) -> None:
        """Open every slot again where nothing but slots left out is recorded: of such a run nothing was played.

        Raises:
            StoreError: it could not be done.
        """
        with self._episodes.path.open("rb") as file:
            if any(json.loads(line).get("outcome") != Outcome.INFRASTRUCTURE.value for line in file):
                return
        self._episodes.clear()
        self._done.clear()

    def add_failure(self, failure: FailureRecord) -> None:
        """Record one failure, durably.

        Raises:
            StoreError: it could not be written.
        """
        self._failures.append(json.dumps(asdict(failure)).encode(), durable=True)

    def add_charge(self, charge: Charge) -> None:
        """Record what one reply took. It outlives a kill, though not a power failure.

        Raises:
            StoreError: it could not be written.
        """
        self._usage.append(json.dumps(asdict(charge)).encode(), durable=False)

    def add_event(self, event: Event) -> None:
        """Append to the event log.

        Raises:
            StoreError: it could not be written.
        """
        line = {"event": type(event).__name__, "at": datetime.now(UTC).isoformat(), **asdict(event)}
        self._events.append(json.dumps(line).encode(), durable=False)


@contextmanager
def open_store(root: Path, config: Mapping[str, Any]) -> Iterator[RunStore]:
    """Hold the run directory `root`, made if it is not there, for a run with this configuration.

    Args:
        root: the directory.
        config: what TOML can hold; must equal what the run was started with.

    Raises:
        RunError: another process holds it, it is something else, or its configuration differs (with the diff).
    """
    with ExitStack() as stack:
        try:
            root.mkdir(parents=True, exist_ok=True)
            strange = sorted(path.name for path in root.iterdir() if path.name not in _OURS)
            if strange and not (root / CONFIG).is_file():
                raise RunError(f"{root} is no run directory (it holds {strange[0]!r}); name a new or empty one")
            stack.enter_context(locked(root))
            agree(root, config)
            logs = {name: stack.enter_context(open_log(root / name)) for name in (EPISODES, FAILURES, EVENTS, USAGE)}
            _sync_directory(root)
        except OSError as problem:
            raise RunError(f"the run directory {root} cannot be used: {problem.strerror or problem}") from problem
        yield RunStore(root, episodes=logs[EPISODES], failures=logs[FAILURES], events=logs[EVENTS], usage=logs[USAGE])


def read_episodes(root: Path) -> Iterator[Episode]:
    """Every recorded episode, in the order recorded. A last line still being written is left out.

    Raises:
        RunError: there is no run, or a line is not an episode of this version.
    """
    for number, line in _lines(root, EPISODES):
        try:
            yield _EpisodeRecord.model_validate_json(line).root
        except ValidationError as problem:
            first = problem.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise RunError(f"{root / EPISODES}, line {number}: no readable episode: {where}: {first['msg']}") from None


def read_failures(root: Path) -> Iterator[FailureRecord]:
    """Every failure of a run that was no act of the agent's, in the order recorded.

    Raises:
        RunError: there is no run, or a line cannot be read.
    """
    for number, line in _lines(root, FAILURES):
        try:
            yield FailureRecord(**json.loads(line))
        except (ValueError, TypeError) as problem:
            raise RunError(f"{root / FAILURES}, line {number}: no readable failure: {problem}") from None


def read_charges(root: Path) -> Iterator[Charge]:
    """Every reply that was paid for, those of failed attempts and of earlier starts included.

    Raises:
        RunError: there is no run, or a line cannot be read.
    """
    for number, line in _lines(root, USAGE):
        try:
            yield parse_charge(json.loads(line))
        except (ValueError, TypeError, KeyError) as problem:
            raise RunError(f"{root / USAGE}, line {number}: no readable charge: {problem}") from None


def read_config(root: Path) -> dict[str, Any]:
    """What the run was asked for.

    Raises:
        RunError: there is no run.
    """
    try:
        return tomllib.loads((root / CONFIG).read_text("utf-8"))
    except OSError as problem:
        raise RunError(f"{root} is no run directory: {CONFIG}: {problem.strerror}") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise RunError(f"{root / CONFIG} is not TOML: {problem}") from problem


def _lines(root: Path, name: str) -> Iterator[tuple[int, bytes]]:
    if not (root / CONFIG).is_file():
        raise RunError(f"{root} is no run directory: it has no {CONFIG}")
    path = root / name
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.endswith(b"\n"):
                yield number, line


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold a directory for this process alone.

    Raises:
        RunError: another process holds it.
    """
    # The kernel lets go of the lock when its holder dies, however it dies, so no stale lock is ever left.
    with (root / LOCK).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"another process is running in {root}; wait for it, or name another directory") from None
        yield


def agree(root: Path, config: Mapping[str, Any]) -> None:
    """Write the configuration of a new run; compare it with that of an old one.

    Raises:
        RunError: it differs; the message holds the diff.
    """
    path, text = root / CONFIG, tomli_w.dumps(config)
    if not path.exists():
        part = root / _HALF_WRITTEN_CONFIG
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        return
    changes = _changes(read_config(root), tomllib.loads(text))
    if changes:
        more = f"\n  and {len(changes) - DIFF_LINES} more" if len(changes) > DIFF_LINES else ""
        raise RunError(
            f"{root} was started with another configuration; name another directory, or undo what changed:\n"
            + "\n".join(f"  {change}" for change in changes[:DIFF_LINES])
            + more
        )


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before, now = dict(_leaves(old)), dict(_leaves(new))
    absent = "(absent)"
    return [
        f"{key}: was {before.get(key, absent)!r}, is {now.get(key, absent)!r}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key, absent) != now.get(key, absent)
    ]


def _leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _recorded(log: LineLog) -> set[tuple[str, int]]:
    found: set[tuple[str, int]] = set()
    with log.path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                record = json.loads(line)
                key = (str(record["task_id"]), int(record["slot"]))
            except (ValueError, KeyError, TypeError):
                raise RunError(f"{log.path}, line {number} is damaged; repair or remove that line") from None
            if key in found:
                raise RunError(f"{log.path}, line {number}: episode {key[0]}/{key[1]} stands there twice")
            found.add(key)
    return found


def _sync_directory(root: Path) -> None:
    descriptor = os.open(root, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
