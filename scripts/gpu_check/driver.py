"""Runs the stages one after another, each a process with a limit of its own, and says at the end what they found.

Needs nothing but the standard library. A stage that fails stops no other; whatever has been found is in OUT within
seconds: gpu_check.json, gpu_check.md (the table) and gpu_check.log.
"""

import argparse
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from plan import FULL, SMALL, Plan, read_findings
from watch import Watch

ROOM_FOR_CHECKPOINTS: Final = {"0.1": 12, "0.6": 40, "1.0": 64}
"""GiB, by size; less memory than that, and they go to the disk."""
LOG_LINES: Final = 12
"""Of a failed stage, shown in the end."""
OPENRLHF_PYTHON: Final = ".venv-openrlhf/bin/python"
MINUTES: Final = 8.0
"""That the times of the stages below are meant for; with more, limits grow, with fewer, less is kept for later ones."""
CPU_MINUTES: Final = 30.0
"""A limit for machines that are busy; idle, it takes two."""
LAST_S: Final = 8.0
"""Kept for the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One process."""

    name: str
    script: str
    limit_s: float
    least_s: float
    """Kept for it while earlier stages run."""
    aside: bool = False
    """Starts and runs while the stages after it do, up to the one that waits for it."""
    waits_for: tuple[str, ...] = ()


STAGES: Final = (
    Stage(name="tasks", script="tasks.py", limit_s=120, least_s=0, aside=True),
    Stage(name="machine", script="machine.py", limit_s=60, least_s=0),
    Stage(name="policy", script="policy.py", limit_s=60, least_s=12, waits_for=("tasks",)),
    Stage(name="sft", script="training.py", limit_s=130, least_s=60),
    Stage(name="grpo", script="training.py", limit_s=140, least_s=70),
    Stage(name="canaries", script="canaries.py", limit_s=100, least_s=60),
    Stage(name="openrlhf", script="openrlhf_side.py", limit_s=60, least_s=25),
    Stage(name="speed-generation", script="speed.py", limit_s=45, least_s=25),
    Stage(name="speed-grpo", script="speed.py", limit_s=45, least_s=25),
    Stage(name="speed-sft", script="speed.py", limit_s=45, least_s=25),
    Stage(name="tiny", script="tiny.py", limit_s=60, least_s=20),
)


@dataclass(slots=True, kw_only=True)
class Ran:
    """What became of a stage."""

    stage: Stage
    process: subprocess.Popen[bytes]
    began: float
    ends: float
    log: Path
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        return "ok" if self.process.returncode == 0 else "FAILED"


def python_of(stage: Stage, plan: Plan) -> str | None:
    """The interpreter of a stage: this one, except where only another environment has OpenRLHF; None for nowhere."""
    if stage.name != "openrlhf" or importlib.util.find_spec("openrlhf"):
        return sys.executable
    other = os.environ.get("GPU_CHECK_OPENRLHF_PYTHON") or str(plan.root / OPENRLHF_PYTHON)
    return other if Path(other).exists() else None


class Driver:
    """One run of the check."""

    def __init__(self, plan: Plan, out: Path, over: float, scale: float) -> None:
        self._plan = plan
        self._out = out
        self._over = over
        self._scale = scale
        self._ran: dict[str, Ran] = {}
        self._left_out: dict[str, str] = {}
        self._watch = Watch() if plan.device == "cuda" else None
        self._plan_file = plan.work / "plan.json"
        plan.write(self._plan_file)

    def run(self, stages: Sequence[Stage]) -> None:
        """All of them, in order."""
        if self._watch:
            self._watch.start()
        for at, stage in enumerate(stages):
            for name in stage.waits_for:
                self._wait(name)
            later = min(1.0, self._scale) * sum(one.least_s for one in stages[at + 1 :])
            left = self._over - time.monotonic() - LAST_S - later
            if left < 5:
                self._left_out[stage.name] = "no time was left for it"
                continue
            self._start(stage, min(stage.limit_s * max(1.0, self._scale), left))
            if not stage.aside:
                self._wait(stage.name)
        for name in self._ran:
            self._wait(name)

    def _start(self, stage: Stage, limit_s: float) -> None:
        python = python_of(stage, self._plan)
        if python is None:
            self._left_out[stage.name] = f"no openrlhf here, and no {OPENRLHF_PYTHON}: make test-openrlhf builds it"
            return
        log = self._plan.work / f"{stage.name}.log"
        script = self._plan.root / "scripts" / "gpu_check" / stage.script
        words = [python, str(script), stage.name, str(self._plan_file), f"{limit_s:.1f}"]
        print(f"--- {stage.name} (at most {limit_s:.0f} s)", flush=True)
        with log.open("wb") as file:
            process = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        now = time.monotonic()
        self._ran[stage.name] = Ran(stage=stage, process=process, began=now, ends=now + limit_s, log=log)

    def _wait(self, name: str) -> None:
        """Until a stage is over, one way or another."""
        one = self._ran.get(name)
        if one is None or one.seconds:
            return
        while one.process.poll() is None and time.monotonic() < one.ends:
            time.sleep(0.2)
            self.write()
        if one.process.poll() is None:
            self._kill(one)
        one.seconds = max(0.01, time.monotonic() - one.began)
        self.write()
        print(one.log.read_text("utf-8", "replace"), end="", flush=True)
        print(f"--- {name}: {one.verdict} after {one.seconds:.1f} s", flush=True)

    def _kill(self, one: Ran) -> None:
        with one.log.open("a", encoding="utf-8") as file:
            file.write(f"stopped by the driver: its time of {one.ends - one.began:.0f} s is over\n")
        # The stage began a session of its own, which is what its number names.
        os.killpg(one.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            one.process.wait(3)
        # What it started may take the first signal for a wish to finish, and would hold the card meanwhile.
        with suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()

    def stop(self) -> None:
        """End whatever still runs."""
        for one in self._ran.values():
            if one.process.poll() is None:
                self._kill(one)

    def document(self) -> dict[str, Any]:
        """All there is so far."""
        stages = {}
        for name, one in self._ran.items():
            looked = self._watch.between(one.began, one.began + (one.seconds or 1e9)) if self._watch else None
            stages[name] = {
                "verdict": one.verdict if one.seconds else "running",
                "seconds": round(one.seconds, 1),
                "card_memory_mib": looked and looked[0],
                "card_busy_percent": looked and round(looked[1], 1),
                **read_findings(self._plan.findings(name)),
            }
        return {"plan": asdict(self._plan), "stages": stages, "left_out": self._left_out}

    def write(self) -> None:
        """Everything found so far, to OUT."""
        part = self._out / "gpu_check.json.part"
        part.write_text(json.dumps(self.document(), default=str, indent=1), "utf-8")
        part.replace(self._out / "gpu_check.json")
        logs = [f"=== {name}\n{one.log.read_text('utf-8', 'replace')}" for name, one in self._ran.items()]
        (self._out / "gpu_check.log").write_text("\n".join(logs), "utf-8")

    def finish(self, began: float) -> bool:
        """Print the table, and the end of the log of whatever failed; whether all went well."""
        self.write()
        document = self.document()
        lines = ["| what | figure |", "|---|---|"]
        for stage in document["stages"].values():
            lines += [f"| {what} | {figure} |" for what, figure in stage["rows"]]
        lines += ["", "| stage | verdict | seconds | card's memory, most | card busy |", "|---|---|---|---|---|"]
        for name, stage in document["stages"].items():
            memory, busy = stage["card_memory_mib"], stage["card_busy_percent"]
            looked = "- | -" if memory is None else f"{memory / 1024:.1f} GiB | {busy:.0f} %"
            lines.append(f"| {name} | {stage['verdict']} | {stage['seconds']} | {looked} |")
        lines += [f"| {name} | not run: {why} | - | - | - |" for name, why in self._left_out.items()]
        (self._out / "gpu_check.md").write_text("\n".join(lines) + "\n", "utf-8")
        failed = [name for name, one in self._ran.items() if one.verdict != "ok"]
        for name in failed:
            said = self._ran[name].log.read_text("utf-8", "replace").splitlines()
            print(f"\n=== the end of {name}'s log", *said[-LOG_LINES:], sep="\n")
        print("\n" + "\n".join(lines))
        print(f"\n{time.time() - began:.0f} s in all; {len(failed)} stages failed, {len(self._left_out)} left out")
        # On a laptop OpenRLHF need not be there.
        return not failed and (not self._left_out or self._plan.device == "cpu")


def stages_of(words: str) -> tuple[Stage, ...]:
    """Those that are named, in their own order."""
    wanted = words.split(",")
    known = [one.name for one in STAGES]
    if unknown := [name for name in wanted if name not in known]:
        raise argparse.ArgumentTypeError(f"no stage is called {', '.join(unknown)}; known: {', '.join(known)}")
    return tuple(one for one in STAGES if one.name in wanted)


def amount_of(assignment: str) -> tuple[str, int | float]:
    """One of the amounts, and its number."""
    name, _, number = assignment.partition("=")
    kind = type(getattr(FULL, name, None))
    if kind not in (int, float):
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(FULL.__dataclass_fields__)}")
    try:
        return name, kind(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{assignment!r}: write it as {name}=NUMBER") from None


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/gpu_check.sh")
    parser.add_argument("--minutes", type=float, help="at most, from the start of the script; default: 8, on a CPU 30")
    parser.add_argument(
        "--size", choices=("0.1", "0.6", "1.0"), default="0.6", help="of the policy, in 10^9 parameters"
    )
    parser.add_argument("--cpu-small", action="store_true", help="the same stages at toy size, on a CPU")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or "gpu-check-out"))
    parser.add_argument("--only", type=stages_of, default=STAGES, help="stages, with commas between")
    parser.add_argument(
        "--set", type=amount_of, action="append", default=[], metavar="NAME=NUMBER", help="one of the amounts"
    )
    parser.add_argument("--started", type=float, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


def make_plan(arguments: argparse.Namespace) -> Plan:
    """Sizes and places."""
    amounts = replace(SMALL if arguments.cpu_small else FULL, **dict(arguments.set))
    memory = Path("/dev/shm")
    room = 0 if arguments.cpu_small else ROOM_FOR_CHECKPOINTS[arguments.size] * 2**30
    roomy = room and memory.is_dir() and shutil.disk_usage(memory).free > room
    heavy = memory / arguments.work.name if roomy else arguments.work / "checkpoints"
    heavy.mkdir(exist_ok=True)
    return Plan(
        root=Path(__file__).resolve().parents[2],
        work=arguments.work,
        heavy=heavy,
        size="toy" if arguments.cpu_small else arguments.size,
        device="cpu" if arguments.cpu_small else "cuda",
        dtype="bfloat16",
        amounts=amounts,
    )


def main() -> None:
    arguments = parse_arguments()
    plan = make_plan(arguments)
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    minutes = arguments.minutes or (CPU_MINUTES if arguments.cpu_small else MINUTES)
    over = time.monotonic() + 60 * minutes - (time.time() - arguments.started)
    # Stages have sessions of their own and would outlive a driver that is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    driver = Driver(plan, out, over, minutes / MINUTES)
    try:
        driver.run(arguments.only)
        well = driver.finish(arguments.started)
    finally:
        driver.stop()
        shutil.rmtree(plan.heavy, ignore_errors=True)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
