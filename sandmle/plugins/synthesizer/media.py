"""Whether cells and files hold what is seen or heard, and nothing beside: what else they hold could tell the target."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sandmle.core.types.synthesis import Strategy
from sandmle.plugins.synthesizer.cheat_marks import surplus
from sandmle.plugins.synthesizer.files import TEST, TRAIN, DraftTables
from sandmle.plugins.synthesizer.tables import FaultError

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_FORMS: Final[Mapping[str, str]] = MappingProxyType({"image": "PNG", "audio": "WAV"})


def check_pictures_and_sounds(files: Mapping[str, bytes], tables: DraftTables, strategy: Strategy) -> None:
    """Hold the files of `image` and `audio` columns against their forms; to be asked of files that keep the contract.

    A note that is the same in every file, such as the name of the library that wrote it, tells nothing and may stay.

    Raises:
        FaultError: one is of another form, or holds notes that others do not.
    """
    for column in strategy.columns:
        if column.kind not in _FORMS:
            continue
        paths = [f"public/{cell}" for table in (tables.train, tables.test) for cell in table.column(column.name)]
        odd = next((path for path in paths if not _has_form(files[path], column.kind)), None)
        if odd is not None:
            raise FaultError(f"{odd} is no {_FORMS[column.kind]} file")
        first = surplus(files[paths[0]])
        noted = next((path for path in paths if surplus(files[path]) != first), None)
        if noted is not None:
            raise FaultError(
                f"{noted} and {paths[0]} hold different notes beside their {column.kind} (text, times, bytes after the "
                "end); write nothing but the data"
            )


def check_words(tables: DraftTables, strategy: Strategy) -> None:
    """See that texts and categories are made of what can be seen.

    Raises:
        FaultError: a cell holds characters without a width, blanks that are no spaces, or the like.
    """
    for column in strategy.columns:
        if column.kind not in ("text", "category"):
            continue
        for table, name in ((tables.train, TRAIN), (tables.test, TEST)):
            for number, cell in enumerate(table.column(column.name), 1):
                if not cell.replace("\n", "").isprintable():
                    odd = next(one for one in cell if not one.isprintable() and one != "\n")
                    raise FaultError(
                        f"{name}, column {column.name!r}, data row {number}: {odd!a} cannot be seen; write letters, "
                        "digits, signs and spaces"
                    )


def _has_form(content: bytes, kind: str) -> bool:
    if kind == "image":
        return content.startswith(_PNG)
    return content[:4] == b"RIFF" and content[8:12] == b"WAVE"
