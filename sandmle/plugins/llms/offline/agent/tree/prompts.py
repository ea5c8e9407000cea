"""Reads the prompts of a tree search: what is asked, of which task, about which program. Pure."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sandmle.core.types.message import Message


class Wish(StrEnum):
    """What a prompt of a tree search asks for."""

    DRAFT = "draft"
    IMPROVE = "improve"
    DEBUG = "debug"
    REVIEW = "review"


_CUES: Final = (
    (Wish.REVIEW, re.compile(r"^- `is_bug`: ", re.MULTILINE)),
    (Wish.DEBUG, re.compile(r"^#+ The (?:solution|program) with the bug$", re.MULTILINE)),
    (Wish.IMPROVE, re.compile(r"^#+ The solution so far$", re.MULTILINE)),
    (Wish.DRAFT, re.compile(r"^#+ (?:Memory of earlier designs|Ideas explored before)$", re.MULTILINE)),
)
"""The most telling first: a task's description or a program could quote the others."""
_NEXT: Final = re.compile(
    r"^#+ (?:Memory of earlier designs|Ideas explored before|The (?:solution|program) with the bug|The solution so far"
    r"|Repairs tried before|Program)$",
    re.MULTILINE,
)
_CODE: Final = re.compile(r"^(`{3,})python\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
_PRINTED: Final = re.compile(r"^#+ What (?:running it|it) printed\n+(`{3,})\w*\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
_TABLE: Final = re.compile(r"^data/(\w+)\.csv: (\d+) rows, (\d+) columns\.$")
_COLUMN: Final = re.compile(r"^- (.*?) \(([\w\[\], ]+)\): (.*)$")
_VALUES: Final = re.compile(r"^(\d+) values, (?:such as )?\[(.*)\]")
_RANGE: Final = re.compile(r"^from (\S+) to ")
_QUOTED: Final = re.compile(r"'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\"")
_FOLDER: Final = re.compile(r"^ *(\S.*)/$")
_MORE: Final = re.compile(r"^ +and (\d+) more files$")
_FILE: Final = re.compile(r"^ +\S.* \(\d+ (?:lines|bytes)\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One prompt, taken apart."""

    wish: Wish
    task: str
    """The task's description."""
    text: str
    """The whole of the last message."""
    code: str
    """The program it is about; empty for a draft."""
    printed: str
    """What that program printed."""


def read_request(messages: Sequence[Message]) -> Request | None:
    """What a tree search asks; None when the conversation is another scaffold's."""
    if [message.role for message in messages] != ["system", "user"]:
        return None
    text = messages[-1].content
    if not text.startswith(("## Task\n", "# Task\n")):
        return None
    wish = next((wish for wish, cue in _CUES if cue.search(text)), None)
    if wish is None:
        return None
    sections = list(_NEXT.finditer(text))
    code, printed = _CODE.search(text), _PRINTED.search(text)
    return Request(
        wish=wish,
        task=text[: sections[0].start()] if sections else text,
        text=text,
        code=code[2] if code else "",
        printed=printed[2] if printed else "",
    )


def look_of(overview: str) -> str:
    """A tree search's overview of the data in the form of the agent's own look; empty when it names no columns."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for name, column in _columns(overview):
        tables.setdefault(name, []).append(column)
    if not {"train", "test", "sample_submission"} <= set(tables):
        return ""
    test = {column["name"] for column in tables["test"]}
    sample = tables["sample_submission"]
    first = {"columns": [column["name"] for column in sample], "first": [column["example"] for column in sample]}
    return "\n".join(
        [
            f"FILES {json.dumps(_files(overview))}",
            f"SAMPLE {json.dumps(first)}",
            *(f"COLUMN {json.dumps({**one, 'in_test': one['name'] in test})}" for one in tables["train"]),
        ]
    )


def _columns(overview: str) -> Iterator[tuple[str, dict[str, Any]]]:
    table = ""
    for line in overview.splitlines():
        if head := _TABLE.match(line):
            table = head[1]
        elif table and (column := _COLUMN.match(line)):
            yield table, _column(column[1], column[2], column[3])


def _column(name: str, kind: str, rest: str) -> dict[str, Any]:
    number = kind.startswith(("int", "float"))
    values, span = _VALUES.match(rest), _RANGE.match(rest)
    shown = [a or b for a, b in _QUOTED.findall(values[2])] if values else []
    return {
        "name": name,
        "kind": "number" if number else "text",
        # A range stands for many values; how many does not matter.
        "unique": int(values[1]) if values else 1000,
        "words": sum(len(one.split()) for one in shown) / len(shown) if shown else 0.0,
        "example": shown[0] if shown else span[1] if span else "",
    }


def _files(overview: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    folder = "."
    for line in overview.splitlines():
        if not line.strip():
            break
        if found := _FOLDER.match(line):
            folder = "." if found[1] == "data" else found[1]
            counts[folder] = 0
        elif more := _MORE.match(line):
            counts[folder] = counts.get(folder, 0) + int(more[1])
        elif _FILE.match(line):
            counts[folder] = counts.get(folder, 0) + 1
    return counts
