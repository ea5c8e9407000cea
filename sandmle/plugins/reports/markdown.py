"""The few marks of Markdown that task descriptions use, as HTML. Everything else stays the text it is.

The text is escaped first and tags of our own are put in after, none with an attribute taken from the text:
links, images and raw HTML are therefore never live.
"""

import re
from collections.abc import Iterator
from itertools import groupby

from markupsafe import Markup, escape

_CODE = re.compile(r"`([^`\n]+)`")
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_HEADING = re.compile(r"#{1,6}\s+(.*)")
_BULLET = re.compile(r"(?:[-*+]|\d{1,3}[.)])\s+(.*)")
_RULE = re.compile(r"[|\s:-]+")


def render(text: str) -> Markup:
    """Render headings, lists, tables, fenced code, code spans and bold of `text`; safe for any text."""
    return Markup("\n").join(_blocks(text.replace("\r\n", "\n").split("\n")))


def _blocks(lines: list[str]) -> Iterator[Markup]:
    prose: list[str] = []
    rest = iter(lines)
    for line in rest:
        if not line.lstrip().startswith("```"):
            prose.append(line)
            continue
        yield from _prose(prose)
        prose = []
        fenced = []
        for inner in rest:
            if inner.lstrip().startswith("```"):
                break
            fenced.append(inner)
        yield Markup("<pre>{}</pre>").format("\n".join(fenced))
    yield from _prose(prose)


def _prose(lines: list[str]) -> Iterator[Markup]:
    for kind, group in groupby(lines, key=_kind):
        block = [line.strip() for line in group]
        if kind == "heading":
            for line in block:
                yield Markup("<h4>{}</h4>").format(_inline(_HEADING.sub(r"\1", line)))
        elif kind == "bullet":
            items = [Markup("<li>{}</li>").format(_inline(_BULLET.sub(r"\1", line, count=1))) for line in block]
            yield Markup("<ul>{}</ul>").format(Markup("").join(items))
        elif kind == "table":
            yield _table(block)
        elif kind == "text":
            yield Markup("<p>{}</p>").format(_inline(" ".join(block)))


def _kind(line: str) -> str:
    stripped = line.strip()
    if not stripped:
        return "blank"
    if _HEADING.fullmatch(stripped):
        return "heading"
    if _BULLET.fullmatch(stripped):
        return "bullet"
    return "table" if stripped.startswith("|") else "text"


def _table(lines: list[str]) -> Markup:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not _RULE.fullmatch(line)]
    html = []
    for number, row in enumerate(rows):
        cell = Markup('<th scope="col">{}</th>') if number == 0 else Markup("<td>{}</td>")
        html.append(Markup("<tr>{}</tr>").format(Markup("").join(cell.format(_inline(text)) for text in row)))
    return Markup('<div class="scroll"><table>{}</table></div>').format(Markup("").join(html))


def _inline(text: str) -> Markup:
    # Code spans are cut out first, so that asterisks inside them stay asterisks.
    parts = _CODE.split(text)
    html = []
    for number, part in enumerate(parts):
        safe = str(escape(part))
        html.append(f"<code>{safe}</code>" if number % 2 else _BOLD.sub(r"<strong>\1</strong>", safe))
    return Markup("".join(html))
