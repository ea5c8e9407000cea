"""What one cell showed, gathered message by message within fixed memory."""

from typing import Any, Final

from sandmle.plugins.sandboxes.jupyter.wire import RICH_TYPES, SHOWN_TYPE, UNSENT
from sandmle.plugins.sandboxes.process.output import clean, shorten

_PER_CHARACTER: Final = 8
"""Characters held for each that is kept, so that escape sequences do not eat the cap."""
_MOST_UNSENT: Final = 10**12
_RICH_CHARS: Final = 8 * 1024 * 1024
"""Of all displays of one cell together; later ones are left out."""
_RICH_DISPLAYS: Final = 200
_DISPLAYS: Final = ("display_data", "execute_result", "update_display_data")


class Record:
    """The two streams of a cell. Nothing that a message holds makes a method raise."""

    def __init__(self, limit: int) -> None:
        self._stdout = _Ends(limit)
        self._stderr = _Ends(limit)
        self._displays: list[dict[str, str]] = []
        self._rich_room = _RICH_CHARS

    @property
    def displays(self) -> tuple[dict[str, str], ...]:
        """Values and displays by MIME type, in order, those with more than plain text."""
        return tuple(self._displays)

    def take(self, message: dict[str, Any]) -> None:
        """Add what an iopub message shows, if it shows anything."""
        kind, content = message["msg_type"], message["content"]
        unsent = message["metadata"].get(UNSENT)
        if type(unsent) is not int or not 0 < unsent < _MOST_UNSENT:
            unsent = 0
        if kind == "stream":
            stream = self._stderr if content.get("name") == "stderr" else self._stdout
            stream.add(_text(content.get("text")), unsent)
        elif kind in _DISPLAYS:
            self._show(content.get("data"), unsent)
        elif kind == "error":
            lines = content.get("traceback")
            shown = [_text(line) for line in lines] if isinstance(lines, list) else []
            shown = shown or [f"{_text(content.get('ename'))}: {_text(content.get('evalue'))}"]
            self._stderr.add_line("\n".join(shown), unsent)

    def take_pages(self, payload: object) -> None:
        """Add the texts a kernel would show in a pager, such as the answer to `name?`."""
        for page in payload if isinstance(payload, list) else []:
            if isinstance(page, dict) and page.get("source") == "page":
                self._show(page.get("data"))

    def note(self, why: str) -> None:
        """Add a line of the host's own to stderr."""
        self._stderr.add_line(f"[{why}]")

    def stdout(self) -> str:
        """The capped, clean standard output, values and displays among it."""
        return self._stdout.text()

    def stderr(self) -> str:
        """The capped, clean standard error, with tracebacks and notes."""
        return self._stderr.text()

    def _show(self, data: object, unsent: int = 0) -> None:
        if isinstance(data, dict) and SHOWN_TYPE in data:
            self._stdout.add_line(_text(data[SHOWN_TYPE]), unsent)
        if isinstance(data, dict):
            self._keep({kind: _text(data[kind]) for kind in (SHOWN_TYPE, *RICH_TYPES) if _text(data.get(kind))})

    def _keep(self, display: dict[str, str]) -> None:
        size = sum(len(text) for text in display.values())
        if not display.keys() - {SHOWN_TYPE} or size > self._rich_room or len(self._displays) >= _RICH_DISPLAYS:
            return
        self._rich_room -= size
        self._displays.append(display)


class _Ends:
    """The head and the tail of a text of any length."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._window = max(limit // 2, 1) * _PER_CHARACTER
        self._room = self._window
        self._head = ""
        self._tail = ""
        self._unseen = 0

    def add(self, text: str, unsent: int = 0) -> None:
        """Add `text`, out of whose middle `unsent` characters are missing."""
        if unsent:
            self._append(text[: len(text) // 2])
            self._unseen += unsent + len(self._tail)
            self._tail, self._room = "", 0
            text = text[len(text) // 2 :]
        self._append(text)

    def add_line(self, text: str, unsent: int = 0) -> None:
        """Add `text` as lines of its own."""
        if (self._tail or self._head)[-1:] not in ("", "\n"):
            self._append("\n")
        self.add(text, unsent)
        self._append("\n")

    def _append(self, text: str) -> None:
        self._head += text[: self._room]
        self._tail += text[self._room :]
        self._room -= min(self._room, len(text))
        # Cut only now and then: cutting at every small piece would copy the window each time.
        if len(self._tail) > 2 * self._window:
            self._unseen += len(self._tail) - self._window
            self._tail = self._tail[-self._window :]

    def text(self) -> str:
        if not self._unseen:
            return shorten(clean(self._head + self._tail), self._limit)
        head, tail = clean(self._head), clean(self._tail)
        kept = min(len(head), self._limit - self._limit // 2), min(len(tail), self._limit // 2)
        unseen = self._unseen + len(head) - kept[0] + len(tail) - kept[1]
        return shorten(head[: kept[0]] + tail[len(tail) - kept[1] :], sum(kept), unseen)


def _text(value: object) -> str:
    """A string of a message; lone surrogates, which no file or terminal takes, are replaced."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
