"""On a kernel without Landlock, without namespaces or without both: which rung is chosen, and does it hold?

Such kernels are made here by a seccomp filter that denies the system calls to a whole process tree, as the kernel
or a container engine would, so that nothing of ours knows about it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sandmle.core
from sandmle.plugins.sandboxes.isolation import landlock

NOBODY = 65_534
ROOT = str(Path(sandmle.core.__file__).parents[2])
PATIENCE_S = 600
SCRIPT = """
import asyncio, errno, os, struct, sys, tempfile
from pathlib import Path
from sandmle.core.conformance.sandbox import CHECKS, check_sandbox
from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import IsolationLevel
from sandmle.plugins.sandboxes.config import JupyterConfig, ProcessConfig
from sandmle.plugins.sandboxes.isolation import libc

backend, missing, few = sys.argv[1], sys.argv[2].split("+"), sys.argv[3] == "few"
unshare = 272 if os.uname().machine == "x86_64" else 97
CALLS = {"landlock": ((444, 445, 446), errno.ENOSYS), "namespaces": ((unshare,), errno.EPERM)}
FEW = ("nothing_outside_is_readable", "there_is_no_network", "others_cannot_be_signalled")
op = lambda code, value, true=0, false=0: struct.pack("HBBI", code, true, false, value)
program = [op(0x20, 0)]
for what in missing:
    numbers, answer = CALLS[what]
    for number in numbers:
        program += [op(0x15, number, 0, 1), op(0x06, 0x00050000 | answer)]
libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
libc.install_filter(b"".join([*program, op(0x06, 0x7FFF0000)]))

def make(unsafe):
    if backend == "jupyter":
        from sandmle.plugins.sandboxes.jupyter.backend import JupyterSandbox
        return JupyterSandbox(JupyterConfig(preload=(), spares=0, allow_unsafe=unsafe))
    from sandmle.plugins.sandboxes.process.backend import ProcessSandbox
    return ProcessSandbox(ProcessConfig(zygotes=1, preload=(), allow_unsafe=unsafe))

async def main():
    sandbox = make("unsafe" in sys.argv)
    try:
        await sandbox.start()
        print(sandbox.level, sandbox.walls)
        if few:
            for check in CHECKS:
                if check.__name__ in FEW:
                    with tempfile.TemporaryDirectory() as directory:
                        await check(sandbox, Path(directory))
        elif sandbox.level is not IsolationLevel.L0:
            print(*await check_sandbox(sandbox), sep="\\n")
    except SandboxError as problem:
        print("refused", problem)
    finally:
        await sandbox.close()
asyncio.run(main())
"""


def on_a_kernel_without(missing: str, *words: str, backend: str = "process", as_nobody: bool = False) -> list[str]:
    """What a sandbox says of itself there: its level and walls, then what is broken."""
    python, more = sys.executable, {}
    if as_nobody:
        if os.geteuid() != 0:
            pytest.skip("the other tests already run as an ordinary user")
        python = _interpreter_of_nobody()
        more = _nobody()
    done = subprocess.run(
        [python, "-c", SCRIPT, backend, missing, *(words or ("all",))],
        capture_output=True, text=True, timeout=PATIENCE_S, **{"cwd": ROOT, **more},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n").split("\n")


@pytest.mark.parametrize("as_nobody", [False, True], ids=["as-is", "nobody"])
def test_without_landlock_namespaces_are_the_rung_and_keep_the_contract(as_nobody: bool) -> None:
    chosen, *problems = on_a_kernel_without("landlock", as_nobody=as_nobody)
    if "namespaces" not in chosen:
        pytest.skip(f"this machine allows no namespaces: {chosen}")
    assert chosen == "L2 namespaces, seccomp"
    assert problems == []


@pytest.mark.parametrize("as_nobody", [False, True], ids=["as-is", "nobody"])
def test_without_namespaces_landlock_is_the_rung_and_holds(as_nobody: bool) -> None:
    if not landlock.abi():
        pytest.skip("this kernel has no Landlock")
    assert on_a_kernel_without("namespaces", "few", as_nobody=as_nobody) == ["L2 Landlock, seccomp"]


@pytest.mark.parametrize(
    ("missing", "walls"), [("landlock", "namespaces, seccomp"), ("namespaces", "Landlock, seccomp")]
)
def test_kernels_of_jupyter_stand_on_the_same_rungs(missing: str, walls: str) -> None:
    pytest.importorskip("ipykernel")
    assert on_a_kernel_without(missing, "few", backend="jupyter") == [f"L2 {walls}"]


def test_without_both_nothing_is_started_unless_that_is_allowed_by_name() -> None:
    [said] = on_a_kernel_without("landlock+namespaces")
    assert said.startswith("refused no isolation holds on this machine")
    assert "no Landlock" in said
    assert "allow_unsafe = true" in said
    assert on_a_kernel_without("landlock+namespaces", "all", "unsafe") == ["L0 rlimits only"]


def _nobody() -> dict[str, object]:
    libraries = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    environment = {"PYTHONPATH": os.pathsep.join([ROOT, *libraries])}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": [], "env": environment, "cwd": "/"}


def _interpreter_of_nobody() -> str:
    """An interpreter that an ordinary user may run and that loads our libraries, or skip."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            tried = subprocess.run([python, "-c", "import numpy, pydantic, sandmle.core"], **_nobody(), check=False)
        except OSError:
            continue
        if tried.returncode == 0:
            return python
    pytest.skip("no interpreter here may be run by an ordinary user")
