"""Can a package, its module and what it registers be called this? One word serves for all three."""

import keyword
import re
import sys
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import Final

from sandmle.core.errors import UsageError, nearest
from sandmle.core.hooks.manager import ENTRY_POINT_GROUP
from sandmle.core.hooks.registry import Registry
from sandmle.plugins.authoring.kinds import WORDS, PluginKind

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST: Final = 50
RESERVED: Final = frozenset({"sandmle", "src", "test", "tests", "con", "nul", "prn", "aux"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a new package and its parts are called."""

    name: str
    """The distribution, its folder, its entry point, and what it registers: `demo-agent`."""
    module: str
    """`demo_agent`."""
    class_name: str
    """`DemoAgentScaffold`."""


def kind_of(word: str) -> PluginKind:
    """The kind a person typed.

    Raises:
        UsageError: there is none; the message names the nearest.
    """
    if word not in WORDS:
        raise UsageError(f"no kind of plugin named {word!r}; {nearest(word, list(WORDS))}")
    return WORDS[word]


def names_for(name: str, kind: PluginKind, registry: Registry) -> Names:
    """Judge a name and derive the others from it.

    Raises:
        UsageError: it cannot be used; the message says why and, where one is near, what to take instead.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a plugin package: {_shape_problem(name)}")
    if len(name) > LONGEST:
        raise UsageError(f"{name!r} is too long for a name: take at most {LONGEST} characters")
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or keyword.issoftkeyword(module):
        raise UsageError(f"{name!r} is a word of Python's own and cannot be a module; take {f'my-{name}'!r}, say")
    if name in RESERVED or module in sys.stdlib_module_names:
        raise UsageError(f"the name {name!r} is reserved: a module {module!r} would hide another; take another name")
    _refuse_taken(name, module, kind, registry)
    stem = "".join(part.capitalize() for part in name.split("-"))
    class_name = stem if stem.endswith(kind.class_suffix) else f"{stem}{kind.class_suffix}"
    return Names(name=name, module=module, class_name=class_name)


def _shape_problem(name: str) -> str:
    rule = "take lower case letters, digits and single hyphens between them, a letter first"
    mended = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
    return f"{rule}; {mended!r} would do" if _NAME.fullmatch(mended) and mended != name else rule


def _refuse_taken(name: str, module: str, kind: PluginKind, registry: Registry) -> None:
    # A package that is written anew takes the place of its earlier installation.
    if _is_plugin_package(name):
        return
    if kind.registered is not None and name in registry.names(kind.registered):
        source = registry.source(kind.registered, name)
        raise UsageError(f"a {kind.word} named {name!r} is registered already by {source!r}; take another name")
    if find_spec(module) is not None:
        raise UsageError(f"a module {module!r} is installed already, which yours would hide; take another name")


def _is_plugin_package(name: str) -> bool:
    try:
        points = metadata.distribution(name).entry_points
    except metadata.PackageNotFoundError:
        return False
    return any(point.group == ENTRY_POINT_GROUP for point in points)
