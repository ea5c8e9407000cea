"""Frames between the grader and its process: a length-prefixed JSON header, then binary parts."""

import json
import struct
from collections.abc import Sequence
from typing import Any, Final

PREFIX: Final = struct.Struct(">II")
"""Lengths in bytes of the header and of all parts together."""


def encode_frame(header: dict[str, Any], parts: Sequence[bytes] = ()) -> bytes:
    """One frame: prefix, header, parts. The header gains `parts`, the length of each."""
    text = json.dumps({**header, "parts": [len(part) for part in parts]}).encode()
    body = b"".join(parts)
    return PREFIX.pack(len(text), len(body)) + text + body


def decode_frame(text: bytes, body: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Header and parts of a frame whose prefix has been read."""
    header: dict[str, Any] = json.loads(text)
    parts, start = [], 0
    for length in header.pop("parts"):
        parts.append(body[start : start + length])
        start += length
    return header, parts
