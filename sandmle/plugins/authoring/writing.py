"""Writes a new plugin package from the templates beside this file: whole, or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from sandmle.core.errors import UsageError, cannot_write
from sandmle.plugins.authoring.kinds import PluginKind
from sandmle.plugins.authoring.naming import Names

SHARED: Final = "shared"
SUFFIX: Final = ".txt"
"""Templates are text, so that no tool takes them for modules of ours."""


def write_package(kind: PluginKind, names: Names, parent: Path) -> list[Path]:
    """Write `parent/<name>` and say which files it holds.

    Raises:
        UsageError: it exists already, or cannot be written there.
        StoreError: the machine failed.
    """
    target = parent / names.name
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target} exists already; remove it, or take another name or another --into")
    if parent.exists() and not parent.is_dir():
        raise UsageError(f"--into {parent}: this is a file; name a directory")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{names.name}-", dir=parent) as draft:
            for place, text in _rendered(kind, names):
                file = Path(draft, names.name, place)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, "utf-8")
            shutil.move(Path(draft, names.name), target)
    except OSError as problem:
        raise cannot_write(target, problem) from problem
    return sorted(path for path in target.rglob("*") if path.is_file())


def _rendered(kind: PluginKind, names: Names) -> Iterator[tuple[str, str]]:
    fields = {
        "__NAME__": names.name,
        "__MODULE__": names.module,
        "__CLASS__": names.class_name,
        "__KIND__": kind.word,
        "__CONFIG_KIND__": kind.registered.value if kind.registered else kind.word,
    }
    root = files(__package__).joinpath("templates")
    own = dict(_found(root.joinpath(kind.word), ""))
    for place, text in {**dict(_found(root.joinpath(SHARED), "")), **own}.items():
        # Parts of a shared file that only this kind has stand in files of their own, named like the field.
        filled = text
        for field, value in {**_parts(own), **fields}.items():
            filled = filled.replace(field, value)
        if not place.endswith(".part"):
            yield place.replace("__MODULE__", names.module), f"{filled.rstrip()}\n" if filled else ""


def _parts(own: dict[str, str]) -> dict[str, str]:
    parts = {place.removesuffix(".part"): text for place, text in own.items() if place.endswith(".part")}
    return {f"__{name.upper()}__": text.strip() for name, text in parts.items()}


def _found(folder: Traversable, place: str) -> Iterator[tuple[str, str]]:
    for one in sorted(folder.iterdir(), key=lambda entry: entry.name):
        here = f"{place}{one.name}"
        if one.is_dir():
            yield from _found(one, f"{here}/")
        else:
            yield here.removesuffix(SUFFIX), one.read_text("utf-8")
