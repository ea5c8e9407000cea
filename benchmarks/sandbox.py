"""What running an agent's code costs: bare, in our sandboxes, and in the ways others use, in one interleaved run.

    python benchmarks/sandbox.py --json out.json [--soak 10000] [--ways process,bare]

Every way runs the same session of six cells in turn with the others, so that a machine getting busier favours none.
Only ours has walls; the comparison is to the others' advantage. What is bare runs in this process, with one thread a
numerical library as everywhere here. Then: sessions a second with many alive at once, memory of sessions that wait,
and with `--soak N` N sessions in one sandbox, to see that nothing grows. Ways that this machine lacks are left out
with the reason. On a machine with anything else to do, the times mean little; ratios mean more, processor times most.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sandbox_parts.crowd import density, throughput
from sandbox_parts.figures import Record
from sandbox_parts.judging import DOCKER, JUPYTER, USER, as_data, verdicts
from sandbox_parts.showing import svg, table
from sandbox_parts.soak import soak
from sandbox_parts.ways import Bare, ColdKernel, Ours, Scripts, Way

from sandmle.core.errors import SandboxError
from sandmle.plugins.sandboxes.config import DockerConfig, JupyterConfig, ProcessConfig
from sandmle.plugins.sandboxes.isolation import Plan
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox

ONE_THREAD: Final = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
SLOW_EVERY: Final = 5
"""Rounds between two sessions of a way that takes seconds."""


class PlannedSandbox(ProcessSandbox):
    """The process sandbox at one plan, where its own start takes the strongest that holds."""

    def __init__(self, config: ProcessConfig, plan: Plan) -> None:
        super().__init__(config)
        self._wanted = plan

    async def start(self) -> None:
        """Start as planned or not at all."""
        try:
            await self._try(self._wanted)
            await self._fill()
        except BaseException:
            await self.close()
            raise


@dataclass
class Run:
    """The ways that work here, and what became of all of them."""

    ways: list[Way] = field(default_factory=list)
    record: Record = field(default_factory=Record)
    missing: dict[str, str] = field(default_factory=dict)
    """Why a way was left out, or where it broke off."""

    async def start(self, ways: list[Way]) -> None:
        """Start every way that this machine has."""
        for way in ways:
            try:
                await way.start()
            except Exception as problem:  # noqa: BLE001  Whatever it is, the other ways are still worth measuring.
                self.missing[way.name] = f"{type(problem).__name__}: {problem}"
                print(f"left out, {way.name}: {problem}", file=sys.stderr)
            else:
                self.ways.append(way)

    async def rounds(self, count: int) -> None:
        """Run every way in turn, again and again; the slow ones every few rounds."""
        for number in range(count):
            for way in list(self.ways):
                if way.is_slow and number % SLOW_EVERY:
                    continue
                try:
                    await way.session(self.record)
                except Exception as problem:  # noqa: BLE001  As above.
                    self.missing[way.name] = f"round {number}: {type(problem).__name__}: {problem}"
                    print(f"broke off, {way.name}: {problem}", file=sys.stderr)
                    self.ways.remove(way)
            print(f"round {number + 1} of {count}", file=sys.stderr)

    async def close(self) -> None:
        """End every way."""
        for way in self.ways:
            await way.close()


def make_ways(words: argparse.Namespace) -> list[Way]:
    """Those whose name begins with one of the words asked for."""
    nobody = Plan(namespaces=True, new_user=True)
    root = os.geteuid() == 0
    ways: list[Way] = [Bare(), Ours(USER, _process(nobody))]
    if root:
        ways.append(Ours("process L3, as root", _process(Plan(namespaces=True, own_uid=True))))
    ways.append(Ours("process L2", _process(Plan(namespaces=False, own_uid=root))))
    ways.append(Ours("process L3, none kept ready", _process(nobody, spares=0)))
    ways += [*_jupyter(), *_docker(words.image), ColdKernel(), Scripts()]
    asked = words.ways.split(",") if words.ways else [""]
    return [way for way in ways if way.name.startswith(tuple(asked))]


def _process(plan: Plan, **options: Any) -> PlannedSandbox:
    return PlannedSandbox(ProcessConfig(**options), plan)


def _jupyter() -> list[Way]:
    try:
        from sandmle.plugins.sandboxes.jupyter.backend import JupyterSandbox
    except ImportError:
        return []
    return [Ours(JUPYTER, JupyterSandbox(JupyterConfig()), rest_s=1.0)]


def _docker(image: str) -> list[Way]:
    try:
        from sandbox_parts.containers import DockerExec

        from sandmle.plugins.sandboxes.docker.backend import DockerSandbox
    except ImportError:
        return []
    config = DockerConfig(image=image)
    return [Ours(DOCKER, DockerSandbox(config)), DockerExec(image, config.python)]


async def measure(words: argparse.Namespace) -> dict[str, Any]:
    """Everything that was asked for."""
    run = Run()
    document: dict[str, Any] = {"machine": _machine()}
    try:
        await run.start(make_ways(words))
        await run.rounds(words.rounds)
    finally:
        await run.close()
    document |= {"rows": run.record.figures(), "missing": run.missing}
    crowded = PlannedSandbox(ProcessConfig(), Plan(namespaces=True, new_user=True))
    try:
        await crowded.start()
        if counts := [int(one) for one in words.concurrent.split(",") if one]:
            print("sessions alive at once", file=sys.stderr)
            document["crowds"] = [await throughput(crowded, one, words.sessions) for one in counts]
        if words.density:
            print("memory of sessions that wait", file=sys.stderr)
            document["density"] = {USER: await density(crowded, words.density)}
        if words.soak:
            print("soak", file=sys.stderr)
            document["soak"] = await soak(crowded, words.soak)
    except SandboxError as problem:
        run.missing["crowds, density and soak"] = str(problem)
        print(f"left out, crowds, density and soak: {problem}", file=sys.stderr)
    finally:
        await crowded.close()
    return document


def _machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "processors": len(os.sched_getaffinity(0)),
        "root": os.geteuid() == 0,
        "load": os.getloadavg()[0],
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="file for all figures; the drawing goes beside it, as .svg")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--ways", default="", help="only ways whose names begin with one of these, with commas")
    parser.add_argument(
        "--concurrent", default="1,8,64,256", help="sessions alive at once, with commas; empty for none"
    )
    parser.add_argument("--sessions", type=int, default=256, help="run for each number of --concurrent")
    parser.add_argument("--density", type=int, default=128, metavar="N", help="sessions held to see their memory")
    parser.add_argument("--soak", type=int, default=0, metavar="N", help="sessions run to see that nothing grows")
    parser.add_argument("--image", default=DockerConfig().image, help="for containers")
    return parser.parse_args()


def main() -> int:
    """Measure, print a table and the verdicts, write JSON and a drawing when asked to; 1 when something leaked."""
    words = parse_arguments()
    target = words.json.resolve() if words.json else None
    # Before any numerical library is loaded here, by the bare way.
    os.environ.update(ONE_THREAD)
    document = asyncio.run(measure(words))
    judged = verdicts(document)
    document["verdicts"] = as_data(judged)
    print(table(document), "", *(one.line() for one in judged), sep="\n")
    if target:
        target.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        target.with_suffix(".svg").write_text(svg(document), "utf-8")
    return 1 if document.get("soak", {}).get("problems") else 0


if __name__ == "__main__":
    sys.exit(main())
