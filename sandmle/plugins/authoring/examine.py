"""The process in which a plugin package is imported and put through its suites: `python -m ... JOB`.

It writes one JSON object a line: what it is about to do, so that whoever listens can tell what hangs; and what
it found. Nothing the plugin prints gets between these lines.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

import pluggy
import typer

from sandmle.core.conformance.draft_check import check_draft_check
from sandmle.core.conformance.tracker import EVENTS
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import PluginError, SandmleError, boundary, nearest
from sandmle.core.hooks.manager import Plugins, load_plugins
from sandmle.core.hooks.registry import Registered
from sandmle.plugins.authoring.kinds import word_of
from sandmle.plugins.authoring.suites import Bench, Subject, run_suite

PROGRAM: Final = ("doctor", "run", "rescore", "grade")
"""Commands that `sandmle.cli` brings itself, whom no plugin may import: words that are taken."""


class Examiner:
    """One package under examination."""

    def __init__(self, job: Mapping[str, Any], out: TextIO) -> None:
        self._job = job
        self._out = out
        self._entry_points: dict[str, str] = job["entry_points"]

    async def run(self) -> None:
        """Import the package and check everything that it brings."""
        self._say(doing=f"importing {', '.join(self._entry_points.values())}")
        plugins = load_plugins()
        broken = {one.name: one.problem for one in plugins.broken if one.name in self._entry_points}
        strange = {} if broken else self._foreign(plugins)
        for name, problem in (broken | strange).items():
            self._found(f"plugin {name!r}", [problem])
        if not broken and not strange:
            await self._check_all(plugins)
        self._say(finished=True)

    async def _check_all(self, plugins: Plugins) -> None:
        registered = [one for one in plugins.registry if one.source == self._job["name"]]
        bench = Bench(
            toolkit=Toolkit(plugins=plugins),
            scratch=Path(self._job["scratch"]),
            doing=lambda what: self._say(doing=what),
        )
        for one in registered:
            await self._check(one, bench)
        hooks = [hook for hook in self._hooks(plugins) if not hook.plugin_name.startswith("sandmle.")]
        for hook in hooks:
            self._check_hook(hook, plugins)
        self._find_unheard(registered)
        if not registered and not hooks:
            self._found(f"package {self._job['name']!r}", [self._nothing()])

    def _find_unheard(self, registered: Sequence[Registered]) -> None:
        """Tables in `pyproject.toml` about nothing that the package brings: their author means something else."""
        for word, named in self._job["check"].items():
            names = [one.spec.name for one in registered if word_of(one.kind) == word]
            for name in set(named).difference(names):
                problem = f"the package registers no {word} named {name!r}; {nearest(name, names)}"
                self._found(f"[tool.sandmle.check.{word}.{name}] in pyproject.toml", [problem])

    async def _check(self, one: Registered, bench: Bench) -> None:
        word = word_of(one.kind)
        table = self._job["check"].get(word, {}).get(one.spec.name, {})
        subject = Subject(kind=one.kind, name=one.spec.name, word=word, table=table)
        problems, remark = await self._outcome(run_suite(subject, bench), str(subject))
        self._found(str(subject), problems, remark)

    async def _outcome(self, checking: Awaitable[tuple[list[str], str]], subject: str) -> tuple[list[str], str]:
        try:
            with boundary(PluginError, f"{subject} failed in its own code"):
                return await checking
        except SandmleError as problem:
            return [str(problem)], ""

    def _hooks(self, plugins: Plugins) -> list[pluggy.HookImpl]:
        callers = (
            plugins.manager.hook.sandmle_check_task,
            plugins.manager.hook.sandmle_event,
            plugins.manager.hook.sandmle_register_commands,
        )
        return [impl for caller in callers for impl in caller.get_hookimpls() if impl.plugin_name in self._entry_points]

    def _check_hook(self, impl: pluggy.HookImpl, plugins: Plugins) -> None:
        name = impl.function.__name__
        subject = f"check of {impl.plugin_name!r}" if name == "sandmle_check_task" else f"hook {name!r}"
        self._say(doing=f"the {subject}")
        try:
            with boundary(PluginError, f"{subject} failed in its own code"):
                _try_hook(impl, plugins, subject)
        except SandmleError as problem:
            self._found(subject, [str(problem)])
        else:
            self._found(subject, [])

    def _foreign(self, plugins: Plugins) -> dict[str, str]:
        """Entry points that name a module from elsewhere, which then is what was checked."""
        found = {}
        for name, value in self._entry_points.items():
            file = getattr(sys.modules.get(value.partition(":")[0].strip()), "__file__", None)
            if file is None or not Path(file).resolve().is_relative_to(self._job["root"]):
                found[name] = f"the entry point {name!r} names {value!r}, which is not in this package but in {file}"
        return found

    def _nothing(self) -> str:
        modules = ", ".join(self._entry_points.values())
        return (
            f"it brings nothing: no function of {modules} is a hook with something to offer; mark one with "
            "@sandmle.hookimpl and return a list of sandmle.Spec from it"
        )

    def _found(self, subject: str, problems: list[str], remark: str = "") -> None:
        self._say(found={"subject": subject, "problems": problems, "remark": remark})

    def _say(self, **message: object) -> None:
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()


def _try_hook(impl: pluggy.HookImpl, plugins: Plugins, subject: str) -> None:
    function: Any = impl.function
    match impl.function.__name__:
        case "sandmle_check_task":
            # A plugin may leave out arguments it does not need.
            def judge(**given: object) -> Any:
                return function(**{name: given[name] for name in impl.argnames})

            check_draft_check(judge, f"the {subject}")
        case "sandmle_event":
            for event in EVENTS:
                with boundary(PluginError, f"{subject} failed on {type(event).__name__}"):
                    function(*[event for _ in impl.argnames])
        case _:
            app = typer.Typer()
            app.callback()(lambda: None)
            for word in PROGRAM:
                app.command(word)(lambda: None)
            broken = plugins.add_commands(app, typer.main.get_command)
            if mine := [one.problem for one in broken if one.name == impl.plugin_name]:
                raise PluginError(mine[0])


def main() -> None:
    """Take standard output for the findings, and give the plugin standard error in its place."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asyncio.run(Examiner(json.loads(sys.argv[1]), out).run())


if __name__ == "__main__":
    main()
