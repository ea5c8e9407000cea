"""Pictures as numbers."""

import os

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[np.float64]
SIDE = 24


def find_files(root: str) -> dict[str, str]:
    """Every way a table may name a file below `root`: path, name, or name without its ending."""
    found: dict[str, str] = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            for key in (os.path.relpath(path, root), name, os.path.splitext(name)[0], path):
                found.setdefault(key, path)
    return found


def read_pictures(names: list[str], files: dict[str, str]) -> Array:
    """Pictures as (rows, SIDE, SIDE, 3) in [0, 1]; one that is missing is black."""
    stack = np.zeros((len(names), SIDE, SIDE, 3))
    for row, name in enumerate(names):
        if name in files:
            with Image.open(files[name]) as picture:
                small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            stack[row] = np.asarray(small, dtype=float) / 255
    return stack


def pixel_features(stack: Array) -> Array:
    """Grey values on a coarse grid, and the mean of each channel."""
    grey = stack.mean(axis=3).reshape(len(stack), 8, SIDE // 8, 8, SIDE // 8).mean(axis=(2, 4))
    return np.hstack([grey.reshape(len(stack), -1), stack.mean(axis=(1, 2))])


def shape_features(stack: Array) -> Array:
    """Brightness, contrast, colour, edges by direction, spectrum, profiles, symmetry and spots of each picture."""
    grey = stack.mean(axis=3)
    down, across = np.gradient(grey, axis=(1, 2))
    strength, angle = np.hypot(down, across), np.mod(np.arctan2(down, across), np.pi)
    edges = [(strength * ((angle >= a) & (angle < a + np.pi / 6))).mean(axis=(1, 2)) for a in np.arange(6) * np.pi / 6]
    power = np.abs(np.fft.fftshift(np.fft.fft2(grey - grey.mean(axis=(1, 2), keepdims=True)), axes=(1, 2)))
    rows, columns = np.indices((SIDE, SIDE)) - SIDE // 2
    radius = np.hypot(rows, columns)
    rings = [power[:, (radius >= r) & (radius < r + 2)].mean(axis=1) for r in range(0, 12, 2)]
    bright = grey - grey.min(axis=(1, 2), keepdims=True)
    mass = bright.sum(axis=(1, 2)) + 1e-9
    row_at, column_at = (bright * rows).sum(axis=(1, 2)) / mass, (bright * columns).sum(axis=(1, 2)) / mass
    away = (rows - row_at[:, None, None]) ** 2 + (columns - column_at[:, None, None]) ** 2
    mirrored = [np.abs(grey - np.flip(grey, axis)).mean(axis=(1, 2)) for axis in (1, 2)]
    levels = [np.quantile(grey, q, axis=(1, 2)) for q in (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)]
    parts = [
        *edges, *rings, row_at, column_at, np.sqrt((bright * away).sum(axis=(1, 2)) / mass), *mirrored, *levels,
        *stack.mean(axis=(1, 2)).T, *stack.std(axis=(1, 2)).T, *grey.mean(axis=1).std(axis=1)[None],
        *grey.mean(axis=2).std(axis=1)[None], strength.mean(axis=(1, 2)), grey.std(axis=(1, 2)),
        (grey > 0.5).mean(axis=(1, 2)), (bright > 0.5 * bright.max(axis=(1, 2), keepdims=True)).mean(axis=(1, 2)),
    ]  # fmt: skip
    corners = [
        grey.reshape(len(stack), k, SIDE // k, k, SIDE // k).mean(axis=(2, 4)).reshape(-1, k * k) for k in (2, 3, 4)
    ]
    return np.hstack([np.column_stack(parts), *corners])
