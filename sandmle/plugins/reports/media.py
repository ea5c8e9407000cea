"""Files that rows name, as the page shows them: pictures, sounds with what they look like, readings as curves.

Task files may come from a stranger: nothing outside `public/` is read, and every read has a limit.
"""

import base64
import math
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from sandmle.plugins.reports import numbers

MAX_PICTURES: Final = 16
MAX_SOUNDS: Final = 3
MAX_SERIES: Final = 6
MAX_REFUSED: Final = 16
"""Files of one form that are looked at in vain."""
MAX_PICTURE_BYTES: Final = 24_000
MAX_SOUND_BYTES: Final = 64_000
MAX_SERIES_BYTES: Final = 24_000
MAX_PICTURE_SIDE: Final = 1024
"""Pixels; a larger picture could be made to exhaust a browser's memory from few bytes."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_WINDOW: Final = 256
"""Samples that one column of a spectrogram is made of."""
_FAINTEST: Final = 60.0
"""Decibels below the loudest at which a spectrogram is blank."""
_CURVE: Final = (180, 60)
"""Width and height of a curve."""
_CAPTION: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One image of the training rows, as a data URI."""

    uri: str
    name: str
    caption: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """One recording, to be heard and, as a spectrogram, to be seen."""

    uri: str
    spectrogram: str
    """A grey PNG as a data URI: time to the right, pitch upwards, darker where it is louder."""
    name: str
    caption: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One file of readings, as a curve."""

    curve: Markup
    name: str
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """What there is to see and to hear of the first training rows."""

    pictures: tuple[Picture, ...] = ()
    sounds: tuple[Sound, ...] = ()
    series: tuple[Series, ...] = ()


def read_media(public: Path, rows: Sequence[Sequence[str]], labels: Sequence[str], notes: list[str]) -> Media:
    """Read the files that `rows` name, some of each form; what cannot be shown is counted in `notes`."""
    named = [(row, numbers.clip_line(label, _CAPTION)) for row, label in zip(rows, labels, strict=True)]

    def some(suffix: str, most: int, limit: int, form: str, show: Callable[[bytes, str, str], Any]) -> tuple[Any, ...]:
        found: list[Any] = []
        refused = 0
        for row, caption in named:
            name = next((cell for cell in row if cell.lower().endswith(suffix)), None)
            if name is None:
                continue
            shown = next(
                (one for one in (show(read, name, caption) for read in _files(public, name, limit)) if one), None
            )
            found += [] if shown is None else [shown]
            refused += shown is None
            if len(found) == most or refused == MAX_REFUSED:
                break
        if refused:
            notes.append(f"{refused} {form} over {limit} bytes")
        return tuple(found)

    return Media(
        pictures=some(
            ".png", MAX_PICTURES, MAX_PICTURE_BYTES, "pictures are missing, outside the task, not PNG, or", _picture
        ),
        sounds=some(
            ".wav", MAX_SOUNDS, MAX_SOUND_BYTES, "sounds are missing, outside the task, not 16-bit WAV, or", _sound
        ),
        series=some(
            ".csv",
            MAX_SERIES,
            MAX_SERIES_BYTES,
            "files of readings are missing, outside the task, no numbers, or",
            _series,
        ),
    )


def _files(public: Path, name: str, limit: int) -> list[bytes]:
    """The content of small regular files of that name: a cell is a path below `public/`, or a bare name in a folder."""
    root = public.resolve()
    found = []
    for folder in (public, *sorted(path for path in public.iterdir() if path.is_dir())):
        try:
            path = (folder / name).resolve()
            if path.is_relative_to(root) and path.is_file() and path.stat().st_size <= limit:
                found.append(path.read_bytes())
        except (OSError, ValueError):
            continue
    return found


def _picture(content: bytes, name: str, caption: str) -> Picture | None:
    if len(content) < 33 or not content.startswith(_PNG):
        return None
    width, height = struct.unpack(">II", content[16:24])
    if not (0 < width <= MAX_PICTURE_SIDE and 0 < height <= MAX_PICTURE_SIDE):
        return None
    return Picture(uri=_uri("image/png", content), name=name, caption=caption, width=width, height=height)


def _sound(content: bytes, name: str, caption: str) -> Sound | None:
    chunks = dict(_chunks(content))
    form, data = chunks.get(b"fmt ", b""), chunks.get(b"data", b"")
    if len(form) < 16:
        return None
    coding, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
    if (coding, bits) != (1, 16) or not channels or not rate or len(data) < 2 * channels:
        return None
    samples = np.frombuffer(data[: len(data) // (2 * channels) * 2 * channels], "<i2").reshape(-1, channels)[:, 0]
    return Sound(
        uri=_uri("audio/wav", content),
        spectrogram=_uri("image/png", _grey_png(_spectrogram(samples.astype(float)))),
        name=name,
        caption=caption,
        seconds=len(samples) / rate,
    )


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of a WAV file's parts, as far as they are there."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return
    at = 12
    while at + 8 <= len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        yield content[at : at + 4], content[at + 8 : at + 8 + size]
        # Parts of an odd length are followed by a byte that counts to none.
        at += 8 + size + size % 2


def _spectrogram(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Grey values, (pitch, time), of at most 200 columns."""
    padded = np.pad(samples, (0, max(0, _WINDOW - len(samples))))
    starts = np.linspace(0, len(padded) - _WINDOW, min(200, 1 + (len(padded) - _WINDOW) // 32)).astype(int)
    pieces = padded[starts[:, None] + np.arange(_WINDOW)] * np.hanning(_WINDOW)
    power = 20 * np.log10(np.abs(np.fft.rfft(pieces, axis=1))[:, 1:] + 1e-9)
    strength = np.clip(1 + (power - power.max()) / _FAINTEST, 0, 1)
    grey: npt.NDArray[np.uint8] = np.round(255 * (1 - strength)).astype(np.uint8).T[::-1]
    return grey


def _grey_png(grey: npt.NDArray[np.uint8]) -> bytes:
    height, width = grey.shape

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    lines = b"".join(b"\x00" + row.tobytes() for row in grey)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return _PNG + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")


def _series(content: bytes, name: str, caption: str) -> Series | None:
    lines = content.decode("utf-8", "replace").splitlines()
    readings = [_reading(line.rpartition(",")[2]) for line in lines[1:] if line.strip()]
    finite = [one for one in readings if math.isfinite(one)]
    if len(finite) < 2:
        return None
    curve = _curve(readings, min(finite), max(finite))
    return Series(curve=curve, name=name, caption=caption)


def _reading(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _curve(readings: Sequence[float], low: float, high: float) -> Markup:
    """A line through the readings, broken where one is missing."""
    width, height = _CURVE
    across, span = (width - 4) / max(1, len(readings) - 1), high / 2 - low / 2
    pieces: list[list[str]] = [[]]
    for at, reading in enumerate(readings):
        if math.isfinite(reading):
            # Halves, since the whole span of two large numbers may be infinite.
            share = 0.5 if span <= 0 else (reading / 2 - low / 2) / span
            pieces[-1].append(f"{2 + at * across:.1f},{height - 2 - share * (height - 4):.1f}")
        elif pieces[-1]:
            pieces.append([])
    drawn = [Markup('<polyline points="{}" class="line s0"/>').format(" ".join(piece)) for piece in pieces if piece]
    told = f"{len(readings)} readings from {numbers.score(low, 4)} to {numbers.score(high, 4)}"
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, height, told, Markup("").join(drawn)
    )


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
