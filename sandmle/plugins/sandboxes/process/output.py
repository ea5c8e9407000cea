"""What a cell wrote, made safe to show: decoded, without control characters, head and tail kept."""

import os
import re
from typing import Final

_ESCAPES: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles, links
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"
)
# Newline and tab stay. C1 codes act like escapes; the others reorder text before a reader's eyes.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
_CONTINUATION: Final = bytes(range(0x80, 0xC0))
_PIECE: Final = 1 << 20
_BYTES_A_CHARACTER: Final = 8
"""Read for each character kept, so that escapes and wide characters do not eat the cap."""


def clean(text: str) -> str:
    r"""`text` without escape sequences and control characters; carriage returns become newlines.

    >>> clean("\x1b[31mred\x1b[0m\r\nnext\x00")
    'red\nnext'
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def shorten(text: str, limit: int, unseen: int = 0) -> str:
    r"""At most `limit` characters of `text`, half from each end, and a line that says how many are gone.

    Args:
        text: Clean text; when `unseen` is given, only head and tail of a longer one, joined.
        limit: Characters to keep.
        unseen: Characters between the halves of `text` that were never read.

    >>> shorten("abcdefgh", 4)
    'ab\n[... 4 characters left out ...]\ngh'
    """
    if len(text) <= limit and not unseen:
        return text
    head, tail = limit - limit // 2, limit // 2
    gone = unseen + max(0, len(text) - head - tail)
    end = text[-tail:] if tail else ""
    return f"{text[:head]}\n[... {gone} characters left out ...]\n{end}"


def captured(fd: int, limit: int) -> str:
    """Everything written to the file `fd`, clean and at most about `limit` characters long."""
    size = os.fstat(fd).st_size
    window = max(limit // 2, 1) * _BYTES_A_CHARACTER
    if size <= 2 * window:
        return shorten(clean(os.pread(fd, size, 0).decode("utf-8", "replace")), limit)
    head = clean(os.pread(fd, window, 0).decode("utf-8", "replace"))
    tail = clean(os.pread(fd, window, size - window).decode("utf-8", "replace"))
    kept = min(len(head), limit - limit // 2), min(len(tail), limit // 2)
    unseen = _count_characters(fd, window, size - window)
    unseen += len(head) - kept[0] + len(tail) - kept[1]
    return shorten(head[: kept[0]] + tail[len(tail) - kept[1] :], sum(kept), unseen)


def _count_characters(fd: int, start: int, stop: int) -> int:
    """Characters in a range of a UTF-8 file: every byte that does not continue one."""
    count = 0
    while start < stop:
        piece = os.pread(fd, min(_PIECE, stop - start), start)
        if not piece:
            break
        count += len(piece.translate(None, _CONTINUATION))
        start += len(piece)
    return count
