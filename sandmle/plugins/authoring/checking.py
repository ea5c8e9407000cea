"""Checks a plugin package in a process of its own, so that one that hangs, crashes or prints harms nothing here."""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from sandmle.core import errors
from sandmle.core.engine.signal_names import signal_name
from sandmle.plugins.authoring.findings import CheckReport, Finding
from sandmle.plugins.authoring.source import PackageSource, read_source

EXAMINER: Final = "sandmle.plugins.authoring.examine"
LAST_WORDS_CHARS: Final = 600
ENDING_S: Final = 30.0
PUMP_DEADLINE_S: Final = 5.0


def check_package(root: Path, timeout_s: float) -> CheckReport:
    """Import a package that need not be installed, and run the conformance suite of everything it registers.

    Args:
        root: its folder, which holds `pyproject.toml`.
        timeout_s: how long one step may take, importing and each part of a suite being steps; one that takes
            longer hangs.

    Raises:
        UsageError: there is no such folder.
    """
    try:
        source = read_source(root)
    except errors.PluginError as problem:
        return CheckReport(package=str(root), findings=[Finding(subject="package", problems=(str(problem),))])
    with tempfile.TemporaryDirectory(prefix="sandmle-plugin-") as scratch:
        findings = _Examination(source, Path(scratch), timeout_s).run()
    return CheckReport(package=source.name, findings=findings)


@dataclass(slots=True)
class _Examination:
    source: PackageSource
    scratch: Path
    timeout_s: float
    doing: str = "starting"
    findings: list[Finding] = field(default_factory=list)
    finished: bool = False

    def run(self) -> list[Finding]:
        """Start the examiner, hear what it finds, and end it."""
        with (self.scratch / "said.txt").open("w+", encoding="utf-8", errors="replace") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", EXAMINER, json.dumps(self._job())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                cwd=self._folder("work"),
                env=self._environment(),
                text=True,
                start_new_session=True,
            )
            lines: queue.Queue[str | None] = queue.Queue()
            pump = threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True)
            try:
                pump.start()
                self._hear(lines)
                # It says nothing more and is about to end; how it does is to be told.
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.0 if self.finished else ENDING_S)
            finally:
                _end(process, pump)
            if not self.finished:
                self._note_end(process, said)
        return self.findings

    def _hear(self, lines: "queue.Queue[str | None]") -> None:
        while True:
            try:
                line = lines.get(timeout=self.timeout_s)
            except queue.Empty:
                self._note(f"{self.doing} did not end within {self.timeout_s:g} s: it hangs")
                self.finished = True
                return
            if line is None:
                return
            # Whatever else gets onto this pipe is none of the examiner's words.
            with suppress(ValueError):
                self._take(json.loads(line))

    def _take(self, message: object) -> None:
        match message:
            case {"doing": str(doing)}:
                self.doing = doing
            case {"found": {"subject": subject, "problems": problems, "remark": remark}}:
                self.findings.append(Finding(subject=subject, problems=tuple(problems), remark=remark))
            case {"finished": True}:
                self.finished = True

    def _note_end(self, process: "subprocess.Popen[str]", said: IO[str]) -> None:
        said.seek(0)
        words = said.read().strip()[-LAST_WORDS_CHARS:]
        code = process.returncode
        how = f"by signal {signal_name(-code)}" if code < 0 else f"with code {code}"
        self._note(f"{self.doing} ended the whole process {how}" + (f"; its last words:\n{words}" if words else ""))

    def _note(self, problem: str) -> None:
        self.findings.append(Finding(subject=f"package {self.source.name!r}", problems=(problem,)))

    def _job(self) -> dict[str, Any]:
        return {
            "root": str(self.source.root),
            "name": self.source.name,
            "entry_points": dict(self.source.entry_points),
            "check": json.loads(json.dumps(self.source.check, default=str)),
            "scratch": str(self._folder("files")),
        }

    def _environment(self) -> dict[str, str]:
        """The package stands before everything else on the path, with the metadata that pip would have written."""
        metadata = self._folder("metadata") / f"{_escaped(self.source.name)}-{_escaped(self.source.version)}.dist-info"
        metadata.mkdir()
        metadata.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {self.source.name}\nVersion: {self.source.version}\n", "utf-8"
        )
        points = "".join(f"{name} = {value}\n" for name, value in self.source.entry_points.items())
        metadata.joinpath("entry_points.txt").write_text(f"[sandmle]\n{points}", "utf-8")
        ours = Path(errors.__file__).parents[2]
        path = [str(metadata.parent), *map(str, self.source.import_roots), os.environ.get("PYTHONPATH", ""), str(ours)]
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(place for place in path if place),
            "SANDMLE_PLUGINS": ",".join(self.source.entry_points),
        }

    def _folder(self, name: str) -> Path:
        folder = self.scratch / name
        folder.mkdir(exist_ok=True)
        return folder


def _pump(lines: IO[str], into: "queue.Queue[str | None]") -> None:
    for line in lines:
        into.put(line)
    into.put(None)


def _end(process: "subprocess.Popen[str]", pump: threading.Thread) -> None:
    # The plugin may have left processes of its own behind; they are of the examiner's group.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    pump.join(PUMP_DEADLINE_S)
    # A process that left the group may hold the other end: closing would wait for it.
    if not pump.is_alive() and process.stdout is not None:
        process.stdout.close()


def _escaped(text: str) -> str:
    return "".join(char if char.isalnum() or char == "." else "_" for char in text)
