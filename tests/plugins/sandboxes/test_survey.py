"""The survey finds open what is open, and nothing that is not."""

import json
import os

import pytest
from typer.testing import CliRunner

from sandmle.cli import build_app
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.types.sandbox import IsolationLevel, SandboxLimits
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox

ABOUT_THE_MACHINE = {"mounts", "names", "connections", "host name"}
"""What a session may still learn without a mount namespace of its own."""


async def found_open(level: str) -> set[str]:
    sandbox = ProcessSandbox(
        ProcessConfig(zygotes=1, strongest=IsolationLevel(level), allow_unsafe=level == "L0", preload=())
    )
    try:
        await sandbox.start()
        if sandbox.level != level:
            pytest.skip(f"this machine reaches {sandbox.level} only")
        async with sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
            return {one.name for one in await sandbox.survey(session) if not one.held}
    finally:
        await sandbox.close()


async def test_nothing_but_paths_is_open_at_the_strongest_level() -> None:
    assert await found_open("L3") <= {"mounts"}


async def test_without_namespaces_only_facts_about_the_machine_are_open() -> None:
    assert {"names"} <= await found_open("L2") <= ABOUT_THE_MACHINE


async def test_without_isolation_nearly_all_is_open() -> None:
    found = await found_open("L0")
    assert {"read", "connect", "kill", "names", "arguments", "internet sockets", "memfd_create"} <= found
    assert os.getuid() == 0 or {"memory", "environment", "limits"} <= found


def test_the_doctor_tells_it_as_one_document(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sandmle.toml").write_text(
        "[plugin.sandbox.process]\npreload = []\n[plugin.sandbox.jupyter]\npreload = []\n"
        f'[plugin.sandbox.docker]\nengine = "unix://{tmp_path}/nowhere"\n'
    )
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(build_app(open_toolkit()), ["doctor", "--sandbox", "--json"])
    assert done.exit_code == 0, done.output
    by_name = {one["sandbox"]: one for one in json.loads(done.stdout)["sandboxes"]}
    assert by_name["docker"]["verdict"] == "absent"
    for name in ("process", "jupyter"):
        assert by_name[name]["level"] in ("L3", "L2")
        assert all(probe["held"] for probe in by_name[name]["probes"] if probe["name"] in ("read", "connect", "kill"))
        assert by_name[name]["open"]
    assert any(one.startswith("UNIX sockets") for one in by_name["jupyter"]["open"])
