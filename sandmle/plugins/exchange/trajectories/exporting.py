"""`sandmle export trajectories`: choose, convert, write."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sandmle.core.errors import UsageError
from sandmle.core.types.trajectory import TranscriptEntry
from sandmle.plugins.exchange.formats import TrajectoryFormat
from sandmle.plugins.exchange.trajectories.atif import atif_trajectory
from sandmle.plugins.exchange.trajectories.chat import openrlhf_records, sft_record, sharegpt_record
from sandmle.plugins.exchange.trajectories.conversations import Conversation, conversations
from sandmle.plugins.exchange.trajectories.parquet import parquet_table, require_pyarrow
from sandmle.plugins.exchange.trajectories.selecting import Choice, Chosen, Selection, choose
from sandmle.plugins.exchange.writing import new_folder, refuse_taken, write_file


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryExport:
    """What is exported and how."""

    runs: tuple[Path, ...]
    form: TrajectoryFormat
    out: Path
    selection: Selection = field(default_factory=Selection)
    dedup: bool = False
    """Leave out what says the same, word for word, as something before it."""
    ids: bool = False
    """Have the token ids, too; episodes that were not recorded token by token are left out."""
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSummary:
    """What came of it."""

    out: str
    format: str
    read: int
    """Episodes in the runs."""
    episodes: int
    """Episodes exported."""
    records: int
    """Lines, rows or documents written."""
    left_out: Mapping[str, int]
    """Reason to how many episodes or, for `duplicate`, conversations."""

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "left_out": dict(self.left_out)}

    def as_text(self) -> str:
        """A line for a person."""
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.left_out.items()))
        left_out = f"; left out: {reasons}" if reasons else ""
        return f"{self.out}: {self.records} records of {self.episodes} of {self.read} episodes{left_out}"


def export_trajectories(export: TrajectoryExport) -> ExportSummary:
    """Write the chosen episodes in another format.

    Raises:
        UsageError: a run cannot be read, nothing is left, or `out` is taken or cannot be written.
        PluginError: a package is missing.
        StoreError: the machine failed to write it.
    """
    refuse_taken(export.out, force=export.force)
    if export.form is TrajectoryFormat.PARQUET:
        require_pyarrow()
    choice = choose(export.runs, export.selection)
    left_out = Counter(choice.left_out)
    if export.form is TrajectoryFormat.ATIF:
        kept = _with_words(choice.chosen, export, left_out)
        records = _write_atif(kept, export)
        episodes = len(kept)
    else:
        found = _conversations(choice, export, left_out)
        records = _write_conversations(found, export)
        episodes = len({(one.run, one.episode.episode_id) for one in found})
    return ExportSummary(
        out=str(export.out),
        format=export.form.value,
        read=choice.read,
        episodes=episodes,
        records=records,
        left_out=left_out,
    )


def _conversations(choice: Choice, export: TrajectoryExport, left_out: Counter[str]) -> list[Conversation]:
    found: list[Conversation] = []
    seen: set[str] = set()
    for chosen in choice.chosen:
        try:
            of_one = list(conversations(chosen, ids=export.ids))
        except ValueError:
            left_out["no token ids"] += 1
            continue
        if not of_one:
            left_out["no conversation"] += 1
        for one in of_one:
            key = _words(one.entries)
            if export.dedup and key in seen:
                left_out["duplicate"] += 1
                continue
            seen.add(key)
            found.append(one)
    _refuse_nothing(found, left_out)
    return found


def _with_words(chosen: Sequence[Chosen], export: TrajectoryExport, left_out: Counter[str]) -> list[Chosen]:
    kept = []
    seen: set[str] = set()
    for one in chosen:
        segments = one.episode.trajectory.segments
        entries = [entry for segment in segments for entry in segment.entries]
        replies = [entry.reply for entry in entries if entry.reply is not None]
        key = _words(entries)
        if not replies:
            left_out["no conversation"] += 1
        elif export.ids and any(reply.sampled_ids is None for reply in replies):
            left_out["no token ids"] += 1
        elif export.dedup and key in seen:
            left_out["duplicate"] += 1
        else:
            seen.add(key)
            kept.append(one)
    _refuse_nothing(kept, left_out)
    return kept


def _words(entries: Iterable[TranscriptEntry]) -> str:
    """What is said and called, the ids of calls aside: two conversations of equal words are duplicates."""
    said = [entry.message for entry in entries]
    return json.dumps(
        [
            [
                one.role,
                one.content,
                one.reasoning.text if one.reasoning else None,
                [[call.name, call.arguments] for call in one.tool_calls],
            ]
            for one in said
        ]
    )


def _refuse_nothing(kept: Sequence[object], left_out: Counter[str]) -> None:
    if not kept:
        reasons = ", ".join(f"{count} by {reason!r}" for reason, count in sorted(left_out.items()))
        raise UsageError(f"nothing is left to export: left out are {reasons}")


def _write_conversations(found: Sequence[Conversation], export: TrajectoryExport) -> int:
    match export.form:
        case TrajectoryFormat.PARQUET:
            write_file(export.out, [parquet_table(found)], force=export.force)
            return len(found)
        case TrajectoryFormat.OPENRLHF:
            if export.ids:
                raise UsageError("a prompt set holds nothing that was sampled: leave --ids away")
            records = list(openrlhf_records(found))
            _refuse_nothing(records, Counter({"no prompt": len(found)}))
        case TrajectoryFormat.SHAREGPT:
            records = [sharegpt_record(one) for one in found]
        case _:
            records = [sft_record(one) for one in found]
    write_file(export.out, _lines(records), force=export.force)
    return len(records)


def _write_atif(kept: Sequence[Chosen], export: TrajectoryExport) -> int:
    documents = [atif_trajectory(one, ids=export.ids) for one in kept]
    if export.out.suffix == ".json":
        if len(documents) > 1:
            raise UsageError(
                f"an ATIF document is one trajectory and {len(documents)} are chosen: name a folder for a file each, "
                "or FILE.jsonl for a line each"
            )
        write_file(export.out, _lines(documents), force=export.force)
    elif export.out.suffix:
        write_file(export.out, _lines(documents), force=export.force)
    else:
        with new_folder(export.out, force=export.force) as folder:
            for number, (one, document) in enumerate(zip(kept, documents, strict=True)):
                name = f"{number:05d}-{one.episode.task_id}-{one.episode.slot}.json"
                (folder / name).write_bytes(b"".join(_lines([document])))
    return len(documents)


def _lines(records: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    for record in records:
        yield json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"
