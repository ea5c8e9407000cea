"""Loads the real data that scikit-learn and the standard library carry, and hands it out in views.

scikit-learn is imported when a shelf is first reached into, since importing it takes longer than measuring.
"""

import importlib
import inspect
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

PATCH: Final = 16
"""Side of a photograph's patch, pixels."""
GROUPS: Final = {
    "files": ("pathlib", "shutil", "os", "tempfile", "glob", "zipfile"),
    "numbers": ("statistics", "decimal", "fractions", "random", "math", "cmath"),
    "network": ("asyncio", "socket", "ssl", "selectors", "urllib.request", "http.client"),
    "text": ("string", "re", "textwrap", "difflib", "json", "csv"),
}
"""Groups of standard-library modules whose documentation is told apart."""


class Shelf:
    """Real data, loaded once and handed out in views. Every view is (features, targets)."""

    def __init__(self) -> None:
        self._tables: dict[str, tuple[Matrix, npt.NDArray[Any]]] = {}

    def table(self, name: str) -> tuple[Matrix, npt.NDArray[Any]]:
        """A table of `sklearn.datasets`: (rows, columns) and (rows,)."""
        if name not in self._tables:
            from sklearn import datasets  # noqa: PLC0415 - see the module's docstring

            bunch = getattr(datasets, f"load_{name}")()
            self._tables[name] = (np.asarray(bunch.data, dtype=float), np.asarray(bunch.target))
        return self._tables[name]

    def column_as_target(self, name: str, at: int) -> tuple[Matrix, Matrix]:
        """A table whose column `at` is to be predicted from the others."""
        data, _ = self.table(name)
        return np.delete(data, at, axis=1), data[:, at]

    def some_columns(self, name: str, kept: tuple[int, ...]) -> tuple[Matrix, npt.NDArray[Any]]:
        """A table with only some of its columns."""
        data, target = self.table(name)
        return data[:, list(kept)], target

    def cut_target(self, name: str, shares: tuple[float, ...]) -> tuple[Matrix, npt.NDArray[Any]]:
        """A table whose value to be predicted is cut into classes at these quantiles."""
        data, target = self.table(name)
        return data, np.digitize(target, np.quantile(target, shares))

    def linnerud_waist(self) -> tuple[Matrix, Matrix]:
        """Three exercises of twenty men, and their waists."""
        data, target = self.table("linnerud")
        return data, target[:, 1]

    def digit_images(self) -> tuple[Matrix, npt.NDArray[Any]]:
        """Handwritten digits as (rows, 8, 8) grey levels from 0 to 16."""
        data, target = self.table("digits")
        return data.reshape(-1, 8, 8), target

    def digit_parity(self) -> tuple[Matrix, npt.NDArray[Any]]:
        """The same digits, odd or even."""
        images, target = self.digit_images()
        return images, target % 2

    @cached_property
    def _photos(self) -> list[Matrix]:
        from sklearn.datasets import load_sample_images  # noqa: PLC0415 - see the module's docstring

        return [np.asarray(photo, dtype=float).mean(axis=2) for photo in load_sample_images().images]

    def patches(self, asked: Literal["photo", "turned", "neighbour"]) -> tuple[Matrix, npt.NDArray[Any]]:
        """Grey patches of the sample photographs, (rows, PATCH, PATCH), and what is asked about them."""
        cut = [_tiles(photo) for photo in self._photos]
        if asked == "photo":
            return np.concatenate([_flat(tiles) for tiles in cut]), np.repeat(
                np.arange(len(cut)), [tiles.shape[0] * tiles.shape[1] for tiles in cut]
            )
        if asked == "neighbour":
            left = np.concatenate([_flat(tiles[:, :-1]) for tiles in cut])
            right = np.concatenate([_flat(tiles[:, 1:]) for tiles in cut])
            return left, right.mean(axis=(1, 2))
        tiles = np.concatenate([_flat(tiles) for tiles in cut])
        turned = np.arange(len(tiles)) % 2
        return np.where(turned[:, None, None] == 1, np.rot90(tiles, axes=(1, 2)), tiles), turned

    def sentences(self, asked: Literal["group", "kind", "arguments"]) -> tuple[list[str], npt.NDArray[Any]]:
        """First sentences of the standard library's documentation, and what is asked about them."""
        rows = list(_documented(asked))
        return [text for text, _ in rows], np.array([value for _, value in rows])


def _tiles(photo: Matrix) -> Matrix:
    """(down, across, PATCH, PATCH) patches that do not overlap; the rest at the rims is cut off."""
    down, across = photo.shape[0] // PATCH, photo.shape[1] // PATCH
    kept = photo[: down * PATCH, : across * PATCH]
    return kept.reshape(down, PATCH, across, PATCH).swapaxes(1, 2)


def _flat(tiles: Matrix) -> Matrix:
    return tiles.reshape(-1, PATCH, PATCH)


def _documented(asked: Literal["group", "kind", "arguments"]) -> Iterator[tuple[str, str | int]]:
    for group, modules in GROUPS.items():
        for name in modules:
            module = importlib.import_module(name)
            for _, member in sorted(vars(module).items()):
                is_class = inspect.isclass(member)
                if not (is_class or inspect.isroutine(member)) or getattr(member, "__module__", "") != name:
                    continue
                # Only the object's own words: inherited documentation would repeat one sentence many times.
                text = (member.__doc__ or "").strip().partition("\n\n")[0]
                if len(text) < 15:
                    continue
                if asked == "arguments":
                    if inspect.isfunction(member):
                        yield text, len(inspect.signature(member).parameters)
                else:
                    yield text, group if asked == "group" else ("class" if is_class else "function")
