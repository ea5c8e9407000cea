"""The holes in a zygote's heap: what sessions allocate into them copies a page for every few bytes."""

import ctypes
from typing import Final

_SIZES: Final = (65_536, 32_768, 16_384, 8_192, 4_096, 2_048, *range(1_032, 8, -16))
"""Bytes of the pieces taken, the largest first; below the last but six, every size that glibc tells apart."""
_FIELDS: Final = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class _Mallinfo(ctypes.Structure):
    """glibc's `struct mallinfo2`; `keepcost` is the size of the free end of the heap."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _FIELDS)


def fill_holes() -> None:
    """Take every free piece below the end of the heap and keep it.

    Forked sessions then allocate side by side at the end, and share every page that they only look at. Does
    nothing where the C library is not glibc 2.33 or newer.
    """
    libc = ctypes.CDLL(None)
    try:
        info, end_of_heap = libc.mallinfo2, libc.sbrk
    except AttributeError:
        return
    info.restype = _Mallinfo
    end_of_heap.restype = libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
    end = end_of_heap(0) - info().keepcost
    for size in _SIZES:
        while (piece := libc.malloc(size)) and piece < end:
            pass
        libc.free(piece)
