"""The tests' side of the arenas: one process for each place and user, started when it is first asked."""

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import sandmle.core

ROOT = Path(sandmle.core.__file__).parents[2]
HERE = Path(__file__).resolve().parents[1]
START_S = 120.0
ANSWER_S = 200.0
_FIRST_UID = 61_000


class UnfitError(Exception):
    """This machine does not offer what was asked for; the reason."""


def interpreter_for_all(words: Mapping[str, object]) -> str:
    """An interpreter that an ordinary user may run and that loads our libraries.

    Raises:
        UnfitError: there is none here.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            tried = subprocess.run(
                [python, "-c", "import numpy, pydantic, sandmle.core, hostile.catalog"],
                **words, check=False, capture_output=True,
            )  # fmt: skip
        except OSError:
            continue
        if tried.returncode == 0:
            return python
    raise UnfitError("no interpreter here may be run by an ordinary user")


def as_user(number: int) -> dict[str, object]:
    """Words for `subprocess` that make an ordinary user to whom nothing else on the machine belongs."""
    uid = _FIRST_UID + (os.getpid() * 8 + number) % 4000
    return {"user": uid, "group": uid, "extra_groups": [], "env": environment(), "cwd": "/"}


def environment() -> dict[str, str]:
    libraries = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    path = os.pathsep.join([str(ROOT), str(HERE), *libraries])
    return {"PYTHONPATH": path, "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass
class Arena:
    """One process that stages attacks at `place` as root or as an ordinary user."""

    place: str
    ordinary: bool
    number: int = 0
    """Which of several arenas it is: none may touch what is another's."""
    more: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    unfit: str = ""
    """Why there can be none on this machine."""

    def ask(self, name: str) -> dict[str, object]:
        """Stage an attack.

        Raises:
            UnfitError: it cannot be staged here.
        """
        if self.unfit:
            raise UnfitError(self.unfit)
        if self.process is None:
            self._start()
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        answer = self._hear(ANSWER_S)
        if answer is None:
            self.close()
            return {"won": True, "seen": "the host itself is gone"}
        if "unfit" in answer:
            raise UnfitError(answer["unfit"])
        return answer

    def _start(self) -> None:
        python, words = sys.executable, {"env": environment(), "cwd": "/"}
        if self.ordinary and os.geteuid() == 0:
            try:
                words = as_user(self.number)
                python = interpreter_for_all(words)
            except UnfitError as problem:
                self.unfit = str(problem)
                raise
        self.library = tempfile.TemporaryDirectory(prefix="attacked-library-")
        folder = Path(self.library.name) / "site-packages"
        folder.mkdir()
        os.chmod(self.library.name, 0o755)
        if "user" in words:
            os.chown(folder, words["user"], words["group"])
        variables = {**words["env"], "ATTACKED_LIBRARY": str(folder), **self.more}
        variables["PYTHONPATH"] += os.pathsep + str(folder)
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  It lives as long as the process, see `close`.
        self.process = subprocess.Popen(
            [python, "-m", "hostile.arena", self.place], **{**words, "env": variables}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, start_new_session=True,
        )  # fmt: skip
        answer = self._hear(START_S)
        if answer is None or "unfit" in answer:
            self.unfit = answer["unfit"] if answer else f"it did not start: {self._last_words()}"
            self.close()
            if answer is None:
                raise RuntimeError(self.unfit)
            raise UnfitError(self.unfit)

    def _hear(self, timeout_s: float) -> dict[str, object] | None:
        """Its next answer; None when it is gone or hangs."""
        if not select.select([self.process.stdout], [], [], timeout_s)[0]:
            return None
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def _last_words(self) -> str:
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")[-2000:]

    def close(self) -> None:
        if self.process is not None:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            self.process = None
            self.library.cleanup()
            self.log.close()
