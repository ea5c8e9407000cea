"""Loads plugins: built-ins first, strangers after, each guarded so that one broken plugin is not fatal."""

import importlib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from sandmle.core.errors import PluginError, nearest
from sandmle.core.hooks import hookspecs
from sandmle.core.hooks.events import Event
from sandmle.core.hooks.registry import Kind, Registered, Registry, Spec
from sandmle.core.types.synthesis import Evidence, TaskDraft, TaskProblem

if TYPE_CHECKING:
    import typer

log = logging.getLogger(__name__)

DEFAULT_PLUGINS = (
    "sandmle.plugins.llms.plugin",
    "sandmle.plugins.sandboxes.plugin",
    "sandmle.plugins.seeds.plugin",
    "sandmle.plugins.synthesizer.plugin",
    "sandmle.plugins.benchmarks.plugin",
    "sandmle.plugins.trackers.plugin",
    "sandmle.plugins.trainers.plugin",
    "sandmle.plugins.reports.plugin",
    "sandmle.plugins.authoring.plugin",
    "sandmle.plugins.exchange.plugin",
    "sandmle.plugins.demo.plugin",
    "sandmle.scaffolds.plugin",
    "sandmle.rewards.plugin",
)
"""The built-in plugins. They come in by the same hooks as any other."""

REGISTRATION = {
    "sandmle_register_seed_sources": Kind.SEEDS,
    "sandmle_register_synth_roles": Kind.ROLE,
    "sandmle_register_rule_families": Kind.RULE,
    "sandmle_register_llm_providers": Kind.LLM,
    "sandmle_register_sandboxes": Kind.SANDBOX,
    "sandmle_register_scaffolds": Kind.SCAFFOLD,
    "sandmle_register_benchmarks": Kind.BENCHMARK,
    "sandmle_register_milestones": Kind.MILESTONE,
    "sandmle_register_trainers": Kind.TRAINER,
    "sandmle_register_trackers": Kind.TRACKER,
}
"""Registration hook to the kind of what it registers."""

_SPEC_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
ENTRY_POINT_GROUP = "sandmle"
PLUGINS_VARIABLE = "SANDMLE_PLUGINS"
"""Environment variable: unset loads every installed plugin; else a comma-separated list of entry-point
names to load, so that the empty string loads none. Built-ins always load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenPlugin:
    """A third-party plugin that was left out, and why."""

    name: str
    source: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugins:
    """What got loaded. Made once by `load_plugins` and passed along; nothing global holds it."""

    manager: pluggy.PluginManager
    registry: Registry
    broken: tuple[BrokenPlugin, ...] = field(default=())

    def emit(self, event: Event) -> None:
        """Tell every observer, one at a time; one that fails is logged and the rest still hear."""
        for impl in self.manager.hook.sandmle_event.get_hookimpls():
            try:
                # Stdout belongs to the program's one document.
                with redirect_stdout(sys.stderr):
                    impl.function(event)
            # A broad except on purpose: an observer's failure is the observer's, whatever it is.
            except (Exception, SystemExit):
                log.exception("plugin %r failed observing %s", impl.plugin_name, type(event).__name__)

    def add_commands(
        self, app: "typer.Typer", build: Callable[["typer.Typer"], object], *, strict: bool = False
    ) -> tuple[BrokenPlugin, ...]:
        """Let every plugin add its commands; what a stranger whose commands cannot be used added is taken back.

        Args:
            app: the program, which holds its own commands already.
            build: builds the program; a command with a signature that cannot be parsed fails only then.
            strict: raise instead of leaving a stranger's commands out.

        Raises:
            PluginError: with `strict`, a stranger's commands cannot be used. A built-in's failure passes as it is.
        """
        failed = []
        for impl in self.manager.hook.sandmle_register_commands.get_hookimpls():
            if impl.plugin_name in DEFAULT_PLUGINS:
                impl.function(app)
                continue
            before = (list(app.registered_commands), list(app.registered_groups), app.registered_callback)
            try:
                impl.function(app)
                _refuse_taken_words(app, before[0], before[1])
                build(app)
            # A broad except on purpose: a stranger's commands may fail in any way, and the program still starts.
            except (Exception, SystemExit) as problem:
                app.registered_commands[:], app.registered_groups[:], app.registered_callback = before
                words = f"plugin {impl.plugin_name!r} cannot add its commands: {type(problem).__name__}: {problem}"
                if strict:
                    raise PluginError(words) from problem
                source = source_of(impl.plugin_name)
                failed.append(BrokenPlugin(name=impl.plugin_name, source=source, problem=words))
        return tuple(failed)

    def check_task(self, task: TaskDraft, evidence: Evidence) -> list[TaskProblem]:
        """Ask every plugin's checks about a finished draft, in the order they were loaded.

        Raises:
            PluginError: a check failed instead of judging, or answered with something else.
        """
        problems: list[TaskProblem] = []
        for impl in self.manager.hook.sandmle_check_task.get_hookimpls():
            where = f"plugin {impl.plugin_name!r}, hook 'sandmle_check_task'"
            try:
                # A plugin may leave out arguments it does not need.
                given = {"task": task, "evidence": evidence}
                judge: Any = impl.function
                found = list(judge(**{name: given[name] for name in impl.argnames}))
            # A broad except on purpose: whatever a plugin's own check raises is that plugin's failure.
            except (Exception, SystemExit) as problem:
                raise PluginError(f"{where} failed: {type(problem).__name__}: {problem}") from problem
            if not all(isinstance(one, TaskProblem) for one in found):
                raise PluginError(f"{where} must return a list of sandmle.TaskProblem")
            problems.extend(found)
        return problems


def load_plugins(*, strict: bool = False, builtins: Sequence[str] = DEFAULT_PLUGINS) -> Plugins:
    """Load built-ins, then every installed plugin that `SANDMLE_PLUGINS` allows.

    Raises:
        PluginError: a built-in is broken; or, when `strict`, any plugin is.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    entries: dict[tuple[Kind, str], Registered] = {}
    for name in builtins:
        _add(manager, entries, name, importlib.import_module(name), "sandmle")
    wanted, missing = _wanted(entry_points(group=ENTRY_POINT_GROUP))
    if strict and missing:
        raise missing[0]
    broken = [BrokenPlugin(name=PLUGINS_VARIABLE, source="environment", problem=str(one)) for one in missing]
    for point in wanted:
        source = point.dist.name if point.dist else point.value
        try:
            _add_guarded(manager, entries, point, source)
        except PluginError as problem:
            if strict:
                raise
            broken.append(BrokenPlugin(name=point.name, source=source, problem=str(problem)))
    return Plugins(manager=manager, registry=Registry(entries), broken=tuple(broken))


def source_of(name: str) -> str:
    """The distribution that ships the plugin with this entry-point name; the name itself if none does."""
    points = entry_points(group=ENTRY_POINT_GROUP, name=name)
    return next((point.dist.name for point in points if point.dist), name)


def _refuse_taken_words(app: "typer.Typer", commands: Sequence[Any], groups: Sequence[Any]) -> None:
    """Typer lets a later command take an earlier one's place in silence."""
    taken = {_word(one) for one in (*commands, *groups)}
    added = [one for one in (*app.registered_commands, *app.registered_groups) if one not in (*commands, *groups)]
    for word in map(_word, added):
        if word in taken:
            raise PluginError(f"there is a command {word!r} already; rename it")


def _word(registered: Any) -> str:
    """What a person types for a command or a group; typer derives it from the function's name likewise."""
    callback = getattr(registered, "callback", None)
    derived = callback.__name__.lower().replace("_", "-") if callable(callback) else ""
    return registered.name if isinstance(registered.name, str) else derived


def _wanted(points: Iterable[EntryPoint]) -> tuple[list[EntryPoint], list[PluginError]]:
    """The entry points to load, and an error for every chosen name that nothing installed has."""
    chosen = os.environ.get(PLUGINS_VARIABLE)
    points = sorted(points, key=lambda point: point.name)
    if chosen is None:
        return points, []
    names = {name.strip() for name in chosen.split(",") if name.strip()}
    known = [point.name for point in points]
    missing = [
        PluginError(f"{PLUGINS_VARIABLE}: no plugin named {name!r} is installed; {nearest(name, known)}")
        for name in sorted(names.difference(known))
    ]
    return [point for point in points if point.name in names], missing


def _add_guarded(
    manager: pluggy.PluginManager,
    entries: dict[tuple[Kind, str], Registered],
    point: EntryPoint,
    source: str,
) -> None:
    try:
        plugin = point.load()
    # A broad except on purpose: importing a stranger's module can raise anything, and it is that plugin's failure.
    except (Exception, SystemExit) as problem:
        raise PluginError(f"plugin {point.name!r} cannot be imported: {type(problem).__name__}: {problem}") from problem
    _add(manager, entries, point.name, plugin, source)


def _add(
    manager: pluggy.PluginManager,
    entries: dict[tuple[Kind, str], Registered],
    name: str,
    plugin: ModuleType | object,
    source: str,
) -> None:
    """Register one plugin and collect its specs, or undo it as a whole."""
    try:
        manager.register(plugin, name=name)
    except (pluggy.PluginValidationError, ValueError) as problem:
        manager.unregister(plugin) if manager.is_registered(plugin) else None
        raise PluginError(f"plugin {name!r}: {problem}") from problem
    try:
        _refuse_unknown_hooks(manager, name, plugin)
        entries.update(_collect(manager, name, plugin, source, entries))
    except PluginError:
        manager.unregister(plugin)
        raise


def _refuse_unknown_hooks(manager: pluggy.PluginManager, name: str, plugin: object) -> None:
    """Pluggy takes a misspelt hook in silence, so every implemented hook must have a specification."""
    known = [hook for hook in vars(hookspecs) if hook.startswith("sandmle_")]
    for caller in manager.get_hookcallers(plugin) or []:
        if not caller.has_spec():
            raise PluginError(f"plugin {name!r} implements unknown hook {caller.name!r}; {nearest(caller.name, known)}")


def _collect(
    manager: pluggy.PluginManager,
    name: str,
    plugin: object,
    source: str,
    entries: dict[tuple[Kind, str], Registered],
) -> dict[tuple[Kind, str], Registered]:
    found: dict[tuple[Kind, str], Registered] = {}
    for hook, kind in REGISTRATION.items():
        for impl in getattr(manager.hook, hook).get_hookimpls():
            if impl.plugin is not plugin:
                continue
            for spec in _specs_of(impl.function, name, hook):
                key = (kind, spec.name)
                taken = entries.get(key) or found.get(key)
                if taken:
                    raise PluginError(
                        f"plugin {name!r}, hook {hook!r}: a {kind} named {spec.name!r} is registered already "
                        f"by {taken.source!r}; rename one of them"
                    )
                found[key] = Registered(kind=kind, spec=spec, source=source)
    return found


def _specs_of(function: Any, name: str, hook: str) -> list[Spec[Any]]:
    try:
        specs = list(function())
    # A broad except on purpose: whatever a plugin's own hook raises is that plugin's failure.
    except (Exception, SystemExit) as problem:
        raise PluginError(f"plugin {name!r}, hook {hook!r} failed: {type(problem).__name__}: {problem}") from problem
    for spec in specs:
        if not isinstance(spec, Spec):
            raise PluginError(
                f"plugin {name!r}, hook {hook!r} returned {type(spec).__name__!r}; return a list of sandmle.Spec"
            )
        if not _SPEC_NAME.fullmatch(spec.name):
            raise PluginError(
                f"plugin {name!r}, hook {hook!r}: {spec.name!r} is no usable name; take lower case letters, digits, "
                "hyphens and underscores"
            )
    return specs
