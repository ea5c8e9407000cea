"""Leaderboard CSV text to header and rows, without pandas but with its verdicts.

MLE-bench and MLE-Dojo read their boards with a plain `pandas.read_csv(path)`, so what counts as a row is what
pandas says. `benchmarks/board_parity.py` runs the peers' own code beside ours and counts differences.
"""

import re
from dataclasses import dataclass
from typing import Final

from sandmle.core.engine.board_cells import BoardColumn, typed_column
from sandmle.core.errors import BoardError

_FIELD: Final = re.compile(r"[^,\r\n]*")
_QUOTED: Final = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"([^,\r\n]*)')
_BLANKS: Final = re.compile(r"[ \t]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardTable:
    """Header and cells of a board file, implicit index columns dropped."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, index: int) -> BoardColumn:
        """The typed column at a position of the header."""
        return typed_column([row[index] for row in self.rows])


def parse_board(content: bytes) -> BoardTable:
    """Split a board file into header and rows, as pandas' tokenizer does.

    Blank lines are skipped, short rows are filled with missing values, and when the first row is longer than
    the header its surplus leading cells are an index and no data.

    Raises:
        BoardError: not UTF-8, no header, an unclosed quote, or a row that is too long.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise BoardError(f"the board is not UTF-8 text (byte {problem.start})") from problem
    lines = _tokenize(text.removeprefix("\ufeff"))
    if not lines:
        raise BoardError("the board is empty: it needs a header line and a row per team")
    header, rows = lines[0], lines[1:]
    surplus = max(0, len(rows[0]) - len(header)) if rows else 0
    return BoardTable(header=tuple(header), rows=tuple(tuple(row[surplus:]) for row in rows))


def _tokenize(text: str) -> list[list[str]]:
    lines: list[list[str]] = []
    position, end = 0, len(text)
    while position < end:
        character = text[position]
        if character == "\n":
            position += 1
        elif character == "\r":
            position = _after_blank_return(text, position)
        elif character in " \t":
            after = _BLANKS.match(text, position).end()  # type: ignore[union-attr]
            if after == end or text[after] == "\n":
                position = after + 1
            elif text[after] == "\r":
                position = _after_blank_return(text, after)
            else:
                # pandas goes back to the line end to read the blanks again, and so finds a swallowed delimiter.
                start = position - 1 if text[position - 1 : position] == "," else position
                position = _tokenize_line(text, start, lines)
        else:
            position = _tokenize_line(text, position, lines)
    return lines


def _after_blank_return(text: str, position: int) -> int:
    # After the carriage return of a blank line pandas swallows a delimiter as it would a line feed.
    following = position + 1
    return following + 1 if text[following : following + 1] in ("\n", ",") else following


def _tokenize_line(text: str, position: int, lines: list[list[str]]) -> int:
    """Read one line (or, where a return is followed by a delimiter, more) and give the next position."""
    fields: list[str] = []
    end = len(text)
    while True:
        value, position = _field(text, position)
        fields.append(value)
        if position >= end:
            _end_line(fields, lines)
            return position
        mark = text[position]
        position += 1
        if mark == ",":
            continue
        _end_line(fields, lines)
        if mark == "\n":
            return position
        following = text[position : position + 1]
        if following == ",":
            # A return and then a delimiter: the next line has begun with an empty cell.
            fields = [""]
            position += 1
            continue
        return position + 1 if following == "\n" else position


def _field(text: str, position: int) -> tuple[str, int]:
    if text[position : position + 1] != '"':
        plain = _FIELD.match(text, position)
        assert plain is not None
        return plain.group(), plain.end()
    quoted = _QUOTED.match(text, position)
    if quoted is None:
        raise BoardError("the board has a quote that is never closed")
    return quoted[1].replace('""', '"') + quoted[2], quoted.end()


def _end_line(fields: list[str], lines: list[list[str]]) -> None:
    if lines:
        expected = len(lines[-1])
        if len(lines) > 1 and len(fields) > expected:
            raise BoardError(f"row {len(lines)} of the board has {len(fields)} cells, the rows before it {expected}")
        fields = fields + [""] * (expected - len(fields))
    lines.append(fields)
