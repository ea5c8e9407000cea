"""Numbers that a cheating agent reads off ids, cells and files and that should say nothing about the target.

Sent into a sandbox as it stands, before the other files of cheats; it imports nothing of ours.
"""

import re
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

TAIL_BYTES = 4
FIRST_PIXELS = 12
MEASURED_DIGITS = 3
"""Digits that count of a number are taken for a measurement; a model may well read those."""
MODULI = (2, 3, 5, 7, 10, 100)
_OF_A_PICTURE = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_OF_A_SOUND = frozenset({b"fmt ", b"data"})

Array = Any
"""A numpy array."""
Feature = tuple[Array, Callable[[], Array]]
"""One number for every row of train, and what gives one for every row of test, should it be asked for."""


def number_in(cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        return 0.0
    return value if np.isfinite(value) else 0.0


def content_of(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def name_features(names: Sequence[Sequence[str]]) -> Iterator[Feature]:
    readers: list[Callable[[str], float]] = [len, trailing]
    readers += [partial(_remainder, modulus=modulus) for modulus in MODULI]
    readers += [partial(_letter, at=at) for at in range(-4, 8)]
    for read in readers:
        yield both(read, names)


def _remainder(name: str, modulus: int) -> float:
    return trailing(name) % modulus


def _letter(name: str, at: int) -> float:
    return ord(name[at]) if -len(name) <= at < len(name) else 0


def trailing(name: str) -> float:
    """The last number in a name; -1 where there is none."""
    found = re.findall(r"[0-9]{1,15}", name)
    return float(found[-1]) if found else -1.0


def both(read: Callable[[Any], float], some: Sequence[Sequence[Any]]) -> Feature:
    def numbers(each: Sequence[Any]) -> Array:
        return np.array([float(read(one)) for one in each])

    return numbers(some[0]), partial(numbers, some[1])


def digit_marks(cells: Sequence[Sequence[str]]) -> Iterator[Feature]:
    """Digits that no measurement has, blanks, and how many decimals there are: all but the number itself."""
    low = cache(_low_digits)
    for count in (1, 2, 3, 4):
        for part in (slice(-count, None), slice(count)):
            yield both(partial(_low_number, low=low, part=part), cells)
    yield both(lambda cell: len(cell.strip().partition(".")[2]), cells)
    yield both(lambda cell: len(cell) - len(cell.strip()), cells)


def _low_number(cell: str, low: Callable[[str], str], part: slice) -> float:
    return number_in(low(cell)[part])


def _low_digits(cell: str) -> str:
    """What follows the first digits that count."""
    return re.sub(r"[^0-9]", "", cell.lower().partition("e")[0]).lstrip("0")[MEASURED_DIGITS:]


def spelling_marks(cells: Sequence[Sequence[str]]) -> Iterator[Feature]:
    """Which spelling of a word it is: the words themselves may tell, the case and the blanks may not."""
    spellings = defaultdict(set)
    for cell in (*cells[0], *cells[1]):
        spellings[cell.strip().casefold()].add(cell)
    place = {
        cell: at for some in spellings.values() for at, cell in enumerate(sorted(some, key=lambda one: (len(one), one)))
    }
    yield both(place.__getitem__, cells)


def byte_marks(paths: Sequence[Sequence[str]]) -> Iterator[Feature]:
    content = cache(content_of)
    for at in range(1, TAIL_BYTES + 1):
        yield both(partial(_byte_from_end, content, at), paths)
    beyond = cache(lambda path: surplus(content(path)))
    yield both(lambda path: len(beyond(path)), paths)
    yield both(lambda path: int.from_bytes(beyond(path)[:2], "big"), paths)
    yield both(lambda path: int.from_bytes(beyond(path)[-2:], "big"), paths)


def _byte_from_end(content: Callable[[str], bytes], at: int, path: str) -> float:
    read = content(path)
    return read[-at] if len(read) >= at else 0


def surplus(content: bytes) -> bytes:
    """Bytes of a PNG or WAV file that neither picture nor sound needs."""
    if content.startswith(b"\x89PNG"):
        needed, at, form, order = _OF_A_PICTURE, 8, ">I", "length-first"
    elif content[:4] == b"RIFF":
        needed, at, form, order = _OF_A_SOUND, 12, "<I", "name-first"
    else:
        return b""
    found = b""
    while at + 8 <= len(content):
        head, tail = content[at : at + 4], content[at + 4 : at + 8]
        name, length = (tail, head) if order == "length-first" else (head, tail)
        size = struct.unpack(form, length)[0]
        if name not in needed:
            found += content[at + 8 : at + 8 + size]
        # A PNG's chunk ends with four bytes of checksum, a WAV's is padded to an even length.
        at += 8 + size + (4 if order == "length-first" else size % 2)
        if name == b"IEND":
            break
    return found + content[at:]


def pixel_marks(paths: Sequence[Sequence[str]]) -> Iterator[Feature]:
    """The last bits of the first pixels."""
    from PIL import Image  # noqa: PLC0415 - most drafts have no pictures

    def bits(path: str) -> Array:
        with Image.open(path) as image:
            flat = np.asarray(image.convert("RGB")).reshape(-1)[: 3 * FIRST_PIXELS : 3]
        return np.pad(flat & 1, (0, FIRST_PIXELS - len(flat)))

    # Bits weighed by zero do not change a sum.
    weights = [np.eye(FIRST_PIXELS)[at] for at in range(FIRST_PIXELS)]
    for count in range(2, FIRST_PIXELS + 1):
        weights += [np.pad(base ** np.arange(count), (0, FIRST_PIXELS - count)) for base in (2.0, 0.5)]

    def numbers(some: Sequence[str], weight: Array) -> Array:
        return np.array([bits(path) for path in some], dtype=float) @ weight

    train = np.array([bits(path) for path in paths[0]], dtype=float)
    for weight in weights:
        yield train @ weight, partial(numbers, paths[1], weight)
