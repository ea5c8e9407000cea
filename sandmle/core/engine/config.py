"""Finds configuration and merges it: default < file < environment `SANDMLE_*` < command line."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sandmle.core.engine.settings import Settings
from sandmle.core.errors import ConfigError, nearest
from sandmle.core.hooks.registry import Kind, Registry, explain

DEFAULT_FILE = "sandmle.toml"
"""Read from the working directory when no file is named."""
PREFIX = "SANDMLE_"
RESERVED = ("SANDMLE_PLUGINS", "SANDMLE_CONFIG", "SANDMLE_STRICT_PLUGINS", "SANDMLE_TRAINING")
"""Variables that steer the program itself and are no configuration keys. The last one tells the workers of a
distributed training where their configuration is."""

_PART = re.compile(r"""["']([^"']*)["']|([^.]+)""")
"""One part of a dotted key: in quotes, or without dots."""

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The settings, and for every key that is not a default, where its value came from."""

    settings: Settings
    origin: Mapping[str, str]
    """Dotted key to `file PATH`, `environment NAME` or `command line`."""


def resolve(
    registry: Registry,
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Resolved:
    """Merge the layers and validate the whole, each plugin's section by that plugin's own type.

    Args:
        registry: knows the plugins whose sections may appear.
        file: the TOML file; None takes `sandmle.toml` of the working directory if it is there.
        environment: `SANDMLE_RUN__GROUP_SIZE=8` sets `run.group_size`; values are read as TOML, else as text.
        overrides: dotted key to value, from the command line; None values are ignored.

    Raises:
        ConfigError: unknown key, bad value, unreadable file, unknown plugin; naming the place.
    """
    tree: Tree = {}
    origin: dict[str, str] = {}
    path = file or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).is_file() else None)
    if path is not None:
        for parts, value in _leaves(_read(path)):
            _set(tree, parts, value, f"file {path}", origin)
    for name, text in sorted((os.environ if environment is None else environment).items()):
        if name.startswith(PREFIX) and name not in RESERVED:
            parts = tuple(name[len(PREFIX) :].lower().split("__"))
            _set(tree, parts, _parse_value(text), f"environment {name}", origin)
    for key, value in (overrides or {}).items():
        if value is not None:
            _set(tree, _split(key), value, "command line", origin)
    _merge_presets(tree)
    return Resolved(settings=_validated(tree, registry, origin), origin=origin)


def overridden(registry: Registry, settings: Settings, overrides: Mapping[str, Any]) -> Settings:
    """Settings that are there already, with dotted keys set over them.

    Raises:
        ConfigError: unknown key or bad value.
    """
    tree: Tree = settings.model_dump()
    origin: dict[str, str] = {}
    for key, value in overrides.items():
        _set(tree, _split(key), value, "command line", origin)
    return _validated(tree, registry, origin)


def parse_assignments(pairs: Sequence[str]) -> Tree:
    """`--set run.group_size=8` pairs as overrides.

    Raises:
        ConfigError: a pair without `=`, or half of a list or table.
    """
    found: Tree = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {pair!r}: write it as section.key=value, such as run.group_size=8")
        value = _parse_value(text.strip())
        if isinstance(value, str) and value.startswith(("[", "{")) and text.strip() == value:
            raise ConfigError(
                f"--set {pair!r}: {value!r} is no list or table of TOML; a shell takes quotes away unless others stand "
                f'around the whole, as in --set \'run.trackers=["progress", "csv"]\''
            )
        found[key.strip()] = value
    return found


def _validated(tree: Tree, registry: Registry, origin: Mapping[str, str]) -> Settings:
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as problem:
        where = ", ".join(sorted({origin[key] for key in origin if _blamed(key, problem)}))
        raise ConfigError(explain(problem, "", Settings) + (f" (from {where})" if where else "")) from problem
    kinds = [kind.value for kind in Kind]
    for kind, sections in settings.plugin.items():
        if kind not in kinds:
            raise ConfigError(f"unknown configuration section 'plugin.{kind}'; {nearest(kind, kinds)}")
        for name, options in sections.items():
            registry.validate(Kind(kind), name, options)
    return settings


def _blamed(key: str, problem: ValidationError) -> bool:
    paths = [".".join(map(str, error["loc"])) for error in problem.errors(include_url=False)]
    return any(key == path or key.startswith(path + ".") or path.startswith(key + ".") for path in paths)


def _read(path: Path) -> Tree:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as problem:
        raise ConfigError(f"cannot read configuration file {path}: {problem.strerror}") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"configuration file {path} is not TOML: {problem}") from problem


def _split(key: str) -> tuple[str, ...]:
    """The parts of a dotted key; a part in quotes may hold dots itself, as names of models do.

    >>> _split('models."openai/gpt-4.1".temperature')
    ('models', 'openai/gpt-4.1', 'temperature')
    """
    if '"' not in key and "'" not in key:
        return tuple(key.split("."))
    return tuple(quoted or plain for quoted, plain in _PART.findall(key)) or (key,)


def _leaves(tree: Tree, above: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            found.extend(_leaves(value, (*above, key)))
        else:
            found.append(((*above, key), value))
    return found


def _set(tree: Tree, parts: tuple[str, ...], value: Any, source: str, origin: dict[str, str]) -> None:
    key = ".".join(parts)
    node = tree
    for depth, part in enumerate(parts[:-1]):
        child = node.setdefault(part, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{key} (from {source}): {'.'.join(parts[: depth + 1])!r} is a value, not a section")
        node = child
    node[parts[-1]] = value
    origin[key] = source


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _merge_presets(tree: Tree) -> None:
    """A configured preset adds to the built-in ones; naming a built-in one replaces its weights as a whole."""
    reward = tree.get("reward")
    if isinstance(reward, dict) and isinstance(reward.get("presets"), dict):
        reward["presets"] = {**Settings().reward.presets, **reward["presets"]}
