"""Reads a plugin package where it lies, without running any of it: what it is called and what it would register."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandmle.core.errors import PluginError, UsageError, nearest
from sandmle.core.hooks.manager import ENTRY_POINT_GROUP
from sandmle.core.hooks.registry import explain
from sandmle.plugins.authoring.kinds import WORDS

PYPROJECT: Final = "pyproject.toml"
EXAMPLE: Final = f'[project.entry-points.{ENTRY_POINT_GROUP}]\nNAME = "MODULE.plugin"'


class _Told(BaseModel):
    """`[tool.sandmle.check.KIND.NAME]`: what the suite of any kind may be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    options: dict[str, Any] = Field(default_factory=dict)


class _ScaffoldTold(_Told):
    replies: tuple[str, ...] = ()


class _ProviderTold(_Told):
    model: str | None = None
    deterministic: bool = True


class _RoleTold(_Told):
    answers: tuple[dict[str, Any], ...] = ()


_TOLD: Final[Mapping[str, type[_Told]]] = MappingProxyType(
    {"scaffold": _ScaffoldTold, "provider": _ProviderTold, "role": _RoleTold}
)
"""Kinds whose suites may be told more than options."""


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
    check: Mapping[str, Mapping[str, Any]]
    """The table `[tool.sandmle.check]`, by kind and name: what the suites need to know."""


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
    entry_points = _entry_points(project, root / PYPROJECT)
    dynamic = project.get("dynamic")
    if "version" not in (*project, *(dynamic if isinstance(dynamic, list) else ())):
        raise PluginError(f'{root / PYPROJECT} gives the package no version; add `version = "0.1.0"` under [project]')
    return PackageSource(
        root=root.resolve(),
        name=name,
        version=str(version),
        entry_points=entry_points,
        import_roots=_import_roots(root.resolve(), tool),
        check=_check_table(_table(tool, "sandmle").get("check", {}), root / PYPROJECT),
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
        others = f" (its groups are: {', '.join(groups)})" if groups else ""
        raise PluginError(
            f"{file} has no entry point in the group {ENTRY_POINT_GROUP!r}, so nothing would find the plugin{others}; "
            f"write:\n{EXAMPLE}"
        )
    if not isinstance(found, dict) or not found or not all(isinstance(one, str) for one in found.values()):
        raise PluginError(f"{file}: the group {ENTRY_POINT_GROUP!r} must name at least one module; write:\n{EXAMPLE}")
    return dict(found)


def _check_table(tables: Any, file: Path) -> Mapping[str, Mapping[str, Any]]:
    """The table, once it is known that everything in it will be heard."""
    place = "tool.sandmle.check"
    if not isinstance(tables, dict) or not all(isinstance(named, dict) for named in tables.values()):
        raise PluginError(f"{file}: {place} must hold tables called [{place}.KIND.NAME]")
    for word, named in tables.items():
        if word not in WORDS:
            raise PluginError(f"{file}: [{place}.{word}] is of no kind of plugin; {nearest(word, list(WORDS))}")
        told = _TOLD.get(word, _Told)
        for name, table in named.items():
            try:
                told.model_validate(table)
            except ValidationError as problem:
                raise PluginError(f"{file}: {explain(problem, f'{place}.{word}.{name}', told)}") from problem
    return tables


def _import_roots(root: Path, tool: Mapping[str, Any]) -> tuple[Path, ...]:
    setuptools = _table(tool, "setuptools")
    where = _table(_table(setuptools, "packages"), "find").get("where", ())
    named = [str(_table(setuptools, "package-dir").get("", "")), *(where if isinstance(where, list) else ())]
    places = [root / str(one) for one in named if one] + [root / "src", root]
    return tuple(dict.fromkeys(place for place in places if place.is_dir()))


def _table(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = parent.get(key, {})
    return found if isinstance(found, dict) else {}
