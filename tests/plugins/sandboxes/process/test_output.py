"""What cells write is made safe to show and short enough to read."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.plugins.sandboxes.process.output import captured, clean, shorten


@pytest.fixture
def memory() -> Iterator[int]:
    fd = os.memfd_create("output")
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("dirty", "plain"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice\x1b\\after", "after"),
        ("10%\r20%\r\n", "10%\n20%\n"),
        ("bell\x07 null\x00 del\x7f c1\x9b2J", "bell null del c12J"),
        ("txt\u202egpj.exe\u2069", "txtgpj.exe"),
        ("tab\tstays\n", "tab\tstays\n"),
        ("unfinished \x1b[", "unfinished "),
    ],
)
def test_escapes_and_controls_go(dirty: str, plain: str) -> None:
    assert clean(dirty) == plain


@given(st.text())
def test_nothing_unsafe_is_left_of_any_text(text: str) -> None:
    left = clean(text)
    assert "\x1b" not in left
    assert not [char for char in left if (ord(char) < 32 and char not in "\n\t") or 0x7F <= ord(char) < 0xA0]


@given(st.text(), st.integers(min_value=0, max_value=20))
def test_head_and_tail_are_kept_and_the_rest_is_counted(text: str, limit: int) -> None:
    short = shorten(text, limit)
    if len(text) <= limit:
        assert short == text
        return
    head, tail = limit - limit // 2, limit // 2
    assert short.startswith(text[:head])
    assert short.endswith(text[len(text) - tail :])
    assert f"[... {len(text) - limit} characters left out ...]" in short


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 799, 800, 801, 100_000, 3_000_001])
def test_characters_of_a_file_are_counted_exactly(memory: int, size: int) -> None:
    # Two bytes a character, so that counting bytes would show.
    os.write(memory, ("ż" * size).encode())
    text = captured(memory, 100)
    assert text.count("ż") == min(size, 100)
    assert size <= 100 or f"[... {size - 100} characters left out ...]" in text


def test_bytes_that_are_no_text_are_replaced(memory: int) -> None:
    os.write(memory, b"ok \xff\xfe \x80 end")
    assert captured(memory, 100) == "ok \ufffd\ufffd \ufffd end"


def test_a_cap_of_zero_keeps_only_the_count(memory: int) -> None:
    os.write(memory, b"x" * 50_000)
    assert captured(memory, 0) == "\n[... 50000 characters left out ...]\n"
