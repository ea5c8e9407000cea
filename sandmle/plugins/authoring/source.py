"""Reads a plugin package where it lies, without running any of it: what it is called and what it would register."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandmle.core.errors import PluginError, UsageError, nearest
from sandmle.core.hooks.manager import ENTRY_POINT_GROUP

PYPROJECT: Final = "pyproject.toml"
EXAMPLE: Final = f'[project.entry-points.{ENTRY_POINT_GROUP}]\nNAME = "MODULE.plugin"'


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSource:
    """What `pyproject.toml` says."""

    root: Path
    name: str
    version: str
    entry_points: Mapping[str, str]
    """Of the group `sandmle`: name to module or object."""
    import_roots: tuple[Path, ...]
    """Folders its modules are imported from."""
    check: Mapping[str, Any]
    """The table `[tool.sandmle.check]`: what the suites need to know."""


def read_source(root: Path) -> PackageSource:
    """Read a package's `pyproject.toml`.

    Raises:
        UsageError: there is no such folder.
        PluginError: it is no plugin package; the message says what is missing and how to add it.
    """
    if not root.is_dir():
        what = "is a file; name the folder of a plugin package" if root.exists() else "does not exist"
        raise UsageError(f"{root} {what}; `sandmle plugins new KIND NAME` writes a package to begin with")
    document = _read_toml(root / PYPROJECT)
    project = _table(document, "project")
    name, version = project.get("name"), project.get("version", "0")
    if not isinstance(name, str) or not name:
        raise PluginError(f"{root / PYPROJECT} gives the package no name; add `name = ...` under [project]")
    tool = _table(document, "tool")
    return PackageSource(
        root=root.resolve(),
        name=name,
        version=str(version),
        entry_points=_entry_points(project, root / PYPROJECT),
        import_roots=_import_roots(root.resolve(), tool),
        check=_table(_table(tool, "sandmle"), "check"),
    )


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError as problem:
        raise PluginError(
            f"{file.parent} holds no {PYPROJECT}, so it is no package that can be installed; "
            "`sandmle plugins new KIND NAME` writes one to begin with"
        ) from problem
    except OSError as problem:
        raise PluginError(f"{file} cannot be read: {problem.strerror}") from problem
    except ValueError as problem:
        raise PluginError(f"{file} is not TOML: {problem}") from problem


def _entry_points(project: Mapping[str, Any], file: Path) -> dict[str, str]:
    groups = _table(project, "entry-points")
    found = groups.get(ENTRY_POINT_GROUP)
    if found is None:
        near = f" ({nearest(ENTRY_POINT_GROUP, list(groups))})" if groups else ""
        raise PluginError(
            f"{file} has no entry point in the group {ENTRY_POINT_GROUP!r}, so nothing would find the plugin{near}; "
            f"add:\n{EXAMPLE}"
        )
    if not isinstance(found, dict) or not found or not all(isinstance(one, str) for one in found.values()):
        raise PluginError(f"{file}: the group {ENTRY_POINT_GROUP!r} must name at least one module; write:\n{EXAMPLE}")
    return dict(found)


def _import_roots(root: Path, tool: Mapping[str, Any]) -> tuple[Path, ...]:
    setuptools = _table(tool, "setuptools")
    where = _table(_table(setuptools, "packages"), "find").get("where", ())
    named = [str(_table(setuptools, "package-dir").get("", "")), *(where if isinstance(where, list) else ())]
    places = [root / str(one) for one in named if one] + [root / "src", root]
    return tuple(dict.fromkeys(place for place in places if place.is_dir()))


def _table(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = parent.get(key, {})
    return found if isinstance(found, dict) else {}
