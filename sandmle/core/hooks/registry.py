"""What plugins register (`Spec`), and where it is looked up by kind and name (`Registry`)."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from sandmle.core.errors import ConfigError, PluginError, boundary, nearest

T = TypeVar("T")

BUILT_IN = "sandmle"
"""Source of what comes with the package."""


class Kind(StrEnum):
    """The families a plugin can extend. The value is the word users type in config and messages."""

    LLM = "llm"
    SANDBOX = "sandbox"
    SEEDS = "seeds"
    ROLE = "role"
    RULE = "rule"
    BENCHMARK = "benchmark"
    SCAFFOLD = "scaffold"
    MILESTONE = "milestone"
    TRAINER = "trainer"
    TRACKER = "tracker"


class NoConfig(BaseModel):
    """The config type of something that has no options."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec(Generic[T]):
    """One registered thing: cheap to make, cheap to list. Heavy imports belong inside `make`."""

    name: str
    """What users type. Lower case, digits, hyphens and underscores."""
    summary: str
    """One line for listings."""
    make: Callable[[Any], T]
    """Builds the thing from its validated config; imports late."""
    config: type[BaseModel] = NoConfig
    """The pydantic type (frozen, extra="forbid") of its section in the configuration.

    One with a static method `lasting(section)` gives what of a section must stay when a run is resumed, such as
    no addresses; without it, all of it must."""
    extra: str | None = None
    """The pip extra of `sandmle` to name when an import inside `make` fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A spec together with who registered it."""

    kind: Kind
    spec: Spec[Any]
    source: str
    """`sandmle` for built-ins, else the distribution that ships the plugin."""


class Registry:
    """Everything registered, by kind and name. Filled once by the manager, then only read."""

    def __init__(self, entries: Mapping[tuple[Kind, str], Registered]) -> None:
        self._entries = dict(entries)

    def __iter__(self) -> Iterator[Registered]:
        return iter(sorted(self._entries.values(), key=lambda one: (one.kind, one.spec.name)))

    def names(self, kind: Kind) -> list[str]:
        """The registered names of one kind, sorted."""
        return sorted(name for this, name in self._entries if this is kind)

    def spec(self, kind: Kind, name: str) -> Spec[Any]:
        """Look one up.

        Raises:
            ConfigError: nothing of that kind has this name; the message names the nearest.
        """
        entry = self._entries.get((kind, name))
        if entry is None:
            raise ConfigError(f"no {kind} named {name!r}; {nearest(name, self.names(kind))}")
        return entry.spec

    def make(self, kind: Kind, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """Validate `options` against the spec's config type and build the thing.

        Raises:
            ConfigError: unknown name, unknown key or bad value.
            PluginError: a package that `make` needs is not installed, or a stranger's `make` failed.
        """
        spec = self.spec(kind, name)
        config = self.validate(kind, name, options or {})
        with self.blaming(kind, name, "cannot be made"):
            try:
                return spec.make(config)
            except ImportError as problem:
                fix = f"pip install 'sandmle[{spec.extra}]'" if spec.extra else "install what it needs"
                raise PluginError(f"{kind} {name!r} needs a package that is missing ({problem}); {fix}") from problem

    def blaming(self, kind: Kind, name: str, doing: str) -> AbstractContextManager[None]:
        """Attribute what escapes the block to the plugin that registered something, where that is a stranger's.

        What goes wrong in a built-in is a defect of ours, and keeps its traceback.

        Raises:
            ConfigError: nothing of that kind has this name.
            PluginError: from the block, naming the thing and its plugin.
        """
        source = self.source(kind, name)
        if source == BUILT_IN:
            return nullcontext()
        return boundary(PluginError, f"{kind} {name!r} of plugin {source!r} {doing}")

    def source(self, kind: Kind, name: str) -> str:
        """Who registered it: `BUILT_IN`, or the distribution that ships the plugin.

        Raises:
            ConfigError: nothing of that kind has this name.
        """
        self.spec(kind, name)
        return self._entries[kind, name].source

    def validate(self, kind: Kind, name: str, options: Mapping[str, Any]) -> BaseModel:
        """Validate one plugin's section by that plugin's own type.

        Raises:
            ConfigError: naming the key, what is wrong with it and the nearest known key.
        """
        spec = self.spec(kind, name)
        try:
            return spec.config.model_validate(dict(options))
        except ValidationError as problem:
            raise ConfigError(explain(problem, f"plugin.{kind}.{name}", spec.config)) from problem


def explain(problem: ValidationError, where: str, model: type[BaseModel]) -> str:
    """Pydantic's complaint as lines a person can act on: the key's full path, what, and the nearest known key."""
    lines = []
    for error in problem.errors(include_url=False):
        path = ".".join([where, *map(str, error["loc"])]).strip(".")
        if error["type"] == "extra_forbidden":
            known = _fields_at(model, error["loc"][:-1])
            lines.append(f"unknown configuration key {path!r}; {nearest(str(error['loc'][-1]), known)}")
        elif error["type"] == "missing":
            lines.append(f"{path} must be set: by its option, by --set {path}=VALUE, or in the configuration file")
        elif error["type"] in ("tuple_type", "list_type"):
            lines.append(f"{path} wants a list, such as [{json.dumps(str(error['input']))}] (got {error['input']!r})")
        elif error["type"] in ("model_type", "dict_type"):
            lines.append(f"{path} wants a table, such as {{ KEY = VALUE }} (got {error['input']!r})")
        elif error["type"] == "value_error":
            # The type's own words say what is wrong; what was given may hold a key, which belongs into no log.
            lines.append(f"{path}: {error['ctx']['error']}")
        else:
            lines.append(f"{path}: {error['msg']} (got {error['input']!r})")
    return "\n".join(lines)


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys known at a place, below a table of models, such as that of options by model string, as well."""
    at: Any = model
    for part in loc:
        if isinstance(at, type) and issubclass(at, BaseModel):
            at = at.model_fields[str(part)].annotation if str(part) in at.model_fields else None
        else:
            at = next(iter(get_args(at)[1:]), None)
    return list(at.model_fields) if isinstance(at, type) and issubclass(at, BaseModel) else []
