"""Pictures and sounds hold nothing beside what they show, or the same in every file; words hold what is seen."""

import io
import wave

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sandmle.core.types.synthesis import Strategy
from sandmle.plugins.synthesizer.files import DraftTables
from sandmle.plugins.synthesizer.media import check_pictures_and_sounds, check_words
from sandmle.plugins.synthesizer.tables import FaultError, Table
from tests.loopback.doors import STRATEGY


def picture(note: str = "", form: str = "PNG") -> bytes:
    notes, file = PngInfo(), io.BytesIO()
    if note:
        notes.add_text("Software", note)
    Image.new("L", (8, 8), 7).save(file, form, **({"pnginfo": notes} if form == "PNG" else {}))
    return file.getvalue()


def sound(note: bytes = b"") -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(bytes(64))
    return file.getvalue() + note


def checked(kind: str, contents: list[bytes]) -> None:
    columns = [{**one, "kind": kind} if one["name"] == "wood" else one for one in STRATEGY["columns"]]
    paths = [f"p/{at}" for at in range(len(contents))]
    tables = [Table(header=("wood",), rows=tuple((path,) for path in some)) for some in (paths[:1], paths[1:])]
    files = {f"public/{path}": content for path, content in zip(paths, contents, strict=True)}
    train, test = tables
    draft = DraftTables(train=train, test=test, sample=test, answers=test, oracle=test)
    check_pictures_and_sounds(files, draft, Strategy.model_validate({**STRATEGY, "columns": columns}))


def test_plain_files_pass_and_so_does_a_note_that_is_the_same_in_all() -> None:
    checked("image", [picture(), picture(), picture()])
    checked("image", [picture("drawn by a library")] * 3)
    checked("audio", [sound(), sound()])
    checked("series", [b"t,y\n1,2\n", b"anything"])


@pytest.mark.parametrize(
    ("kind", "odd", "said"),
    [
        ("image", picture("cat"), "public/p/2 and public/p/0 hold different notes beside their image"),
        ("image", picture() + b"cat", "hold different notes"),
        ("image", picture(form="BMP"), "public/p/2 is no PNG file"),
        ("image", b"cat", "public/p/2 is no PNG file"),
        ("audio", sound(b"LIST\x04\0\0\0cat!"), "hold different notes beside their audio"),
        ("audio", b"cat", "public/p/2 is no WAV file"),
    ],
)
def test_a_file_that_could_tell_more_than_it_shows_is_sent_back(kind: str, odd: bytes, said: str) -> None:
    plain = {"image": picture(), "audio": sound()}[kind]
    with pytest.raises(FaultError, match=said):
        checked(kind, [plain, plain, odd])


@pytest.mark.parametrize("kind", ["text", "category"])
def test_words_of_any_language_pass_and_marks_that_no_one_sees_are_sent_back(kind: str) -> None:
    columns = [{**one, "kind": kind} if one["name"] == "wood" else one for one in STRATEGY["columns"]]
    plan = Strategy.model_validate({**STRATEGY, "columns": columns})

    def tables(cell: str) -> DraftTables:
        good, odd = Table(header=("wood",), rows=(("oak",),)), Table(header=("wood",), rows=(("oak",), (cell,)))
        return DraftTables(train=good, test=odd, sample=good, answers=good, oracle=good)

    for cell in ("", "Eiche, 3 \u00b5m", "\u6a2b\u306e\u6728", "two\nlines"):
        check_words(tables(cell), plan)
    for cell, odd in (("oak\u200b", "u200b"), ("oak\u00a0", "xa0"), ("oak\x07", "x07")):
        with pytest.raises(FaultError, match=rf"public/test.csv, column 'wood', data row 2: '\\{odd}' cannot be seen"):
            check_words(tables(cell), plan)
