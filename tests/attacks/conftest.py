"""Stages the attacks that were selected, several places at a time, and counts them at the end."""

import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
# The programs and their arenas are a package of their own, because arenas are processes that import it.
sys.path.insert(0, str(HERE))

from hostile.arenas import Arena, UnfitError  # noqa: E402
from hostile.cases import Case, Place  # noqa: E402
from hostile.catalog import ATTACKS  # noqa: E402
from hostile.reward import HACKS  # noqa: E402

_AT_ONCE = 3
"""Arenas at work at a time; many attacks only wait."""
_MORE_TRIES = 2
"""Tries of an attack after a first one that failed with isolation off, where it has to work at all."""
_LEFTOVERS_S = 8.0
"""How long what an attack leaves behind lives."""


def _engines() -> ModuleType:
    """The docker tests' way to start an engine of their own; test folders are no packages."""
    path = HERE.parent / "plugins" / "sandboxes" / "docker" / "engines.py"
    spec = importlib.util.spec_from_file_location("engines_for_attacks", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _staged(arena: Arena, case: Case) -> dict[str, object]:
    """What came of it. Without isolation, what earlier attacks left alive can be in the way for some seconds."""
    answer = arena.ask(case.attack.name)
    for _ in range(0 if case.is_held else _MORE_TRIES):
        if answer["won"]:
            break
        time.sleep(_LEFTOVERS_S)
        answer = arena.ask(case.attack.name)
    return answer


@dataclass
class Outcomes:
    """What came of every selected attack, as soon as it is known."""

    futures: dict[Case, "Future[dict[str, object]]"]
    stack: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        pool = self.stack.enter_context(ThreadPoolExecutor(_AT_ONCE))
        places = list(dict.fromkeys(case.place for case in self.futures))
        # The one that takes longest to start goes first.
        for number, place in enumerate(sorted(places, key=lambda one: one.level != "L1")):
            pool.submit(self._stage_all, place, number)

    def _stage_all(self, place: Place, number: int) -> None:
        with ExitStack() as stack:
            cases = [case for case in self.futures if case.place == place]
            try:
                arena = Arena(place.level, place.ordinary, number, self._more(place, stack))
                stack.callback(arena.close)
            except (UnfitError, pytest.skip.Exception) as problem:
                for case in cases:
                    self.futures[case].set_exception(UnfitError(str(problem)))
                return
            for case in cases:
                try:
                    self.futures[case].set_result(_staged(arena, case))
                except Exception as problem:  # noqa: BLE001  It is the test's, which waits for it.
                    self.futures[case].set_exception(problem)

    def _more(self, place: Place, stack: ExitStack) -> dict[str, str]:
        if not place.ordinary and os.geteuid() != 0:
            raise UnfitError("only root can try as root")
        if place.level != "L1":
            return {}
        engines = _engines()
        engine = stack.enter_context(engines.private_engine())
        engines.build_image(engine.address)
        return {"ATTACKED_ENGINE": engine.address, "ATTACKED_IMAGE": engines.IMAGE}

    def of(self, case: Case) -> dict[str, object]:
        try:
            return self.futures[case].result()
        except UnfitError as problem:
            pytest.skip(str(problem))


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest) -> Iterator[Outcomes]:
    chosen = [item.callspec.params["case"] for item in request.session.items if "outcomes" in item.fixturenames]
    made = Outcomes({case: Future() for case in chosen})
    with made.stack:
        made.start()
        yield made


COUNTS = pytest.StashKey[dict[str, list[str]]]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = (yield).get_result()
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if (place := _place_of(params)) and (report.when == "call" or report.outcome == "skipped"):
        item.config.stash.setdefault(COUNTS, {}).setdefault(place, []).append(report.outcome)


def _place_of(params: dict[str, object]) -> str:
    if "hack" in params:
        return f"{params['crew']} in whole episodes"
    case = params.get("case")
    return "" if case is None else str(case.place) if case.is_held else "off"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counts = config.stash.get(COUNTS, {})
    if not counts:
        return
    families = len({one.family for one in (*ATTACKS, *HACKS)})
    terminalreporter.section("attacks")
    terminalreporter.line(f"{len(ATTACKS) + len(HACKS)} hostile programs in {families} families")
    for name, outcomes in sorted(counts.items(), key=lambda one: (one[0] != "off", one[0])):
        tried = [one for one in outcomes if one != "skipped"]
        what = "succeed with isolation off" if name == "off" else f"held at {name}"
        left = f" ({len(outcomes) - len(tried)} not possible here)" if len(tried) < len(outcomes) else ""
        terminalreporter.line(f"{tried.count('passed')} of {len(tried)} {what}{left}")
