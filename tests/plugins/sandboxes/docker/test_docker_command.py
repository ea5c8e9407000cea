"""`sandmle sandbox run` and `doctor` with the docker sandbox, from the command line to a real container."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sandmle.cli import build_app
from sandmle.core.engine.doctor import Finding, examine
from sandmle.core.engine.toolkit import Toolkit, open_toolkit
from sandmle.core.hooks.registry import Kind, Registry
from sandmle.plugins.sandboxes.config import DockerConfig

pytestmark = pytest.mark.docker


def test_the_command_gives_the_same_document_as_for_other_backends(
    configure: Callable[..., DockerConfig], tmp_path: Path
) -> None:
    config = configure()
    public = tmp_path / "public"
    public.mkdir()
    (public / "train.csv").write_text("id,y\n1,2\n")
    cells = {
        "one.py": "x = len(open('data/train.csv').read()); open('submission.csv', 'w').write('id,y\\n1,2\\n'); x",
        "two.py": "import os\nopen('raw', 'wb').write(b'\\xff\\x00')\nos.symlink('/etc/passwd', 'link')\n1 / 0",
        "three.py": "import os; os._exit(7)",
        "four.py": "print('never')",
    }
    for name, code in cells.items():
        (tmp_path / name).write_text(code)
    settings = tmp_path / "sandmle.toml"
    settings.write_text(
        f'[plugin.sandbox.docker]\nengine = "{config.engine}"\nimage = "{config.image}"\npreload = []\n'
        "[plugin.sandbox.process]\nzygotes = 1\npreload = []\n"
    )
    fetch = [word for path in ("submission.csv", "raw", "link", "nowhere") for word in ("--fetch", path)]
    documents = {}
    for backend in ("docker", "process"):
        words = [
            "--config",
            str(settings),
            "sandbox",
            "run",
            "--backend",
            backend,
            "--public",
            str(public),
            *fetch,
            "--json",
        ]
        done = CliRunner().invoke(build_app(open_toolkit()), [*words, *(str(tmp_path / name) for name in cells)])
        assert done.exit_code == 0, done.output
        documents[backend] = json.loads(done.stdout)
        assert documents[backend].pop("backend") == backend
        for cell in documents[backend]["cells"]:
            assert cell.pop("wall_s") >= 0
    assert documents["docker"].pop("level") == "L1"
    del documents["process"]["level"]
    assert documents["docker"] == documents["process"]


async def finding(settings: Mapping[str, Any]) -> Finding:
    """What `doctor` says about the docker sandbox alone."""
    toolkit = open_toolkit(overrides={f"plugin.sandbox.docker.{name}": value for name, value in settings.items()})
    kept = {
        (one.kind, one.spec.name): one
        for one in toolkit.registry
        if one.kind is not Kind.SANDBOX or one.spec.name == "docker"
    }
    alone = Toolkit(plugins=replace(toolkit.plugins, registry=Registry(kept)), settings=toolkit.settings)
    return next(one for one in await examine(alone) if one.name == "sandbox docker")


async def test_the_doctor_names_what_is_missing_and_runs_a_cell_where_nothing_is(
    configure: Callable[..., DockerConfig],
) -> None:
    config = configure()
    there = {"engine": config.engine, "image": config.image, "preload": ()}
    found = await finding(there)
    assert (found.verdict, found.detail) == ("ok", "isolation L1, a cell ran")
    found = await finding({**there, "image": "nobody/has-this"})
    assert found.verdict == "failed"
    assert "python scripts/build_sandbox_image.py" in found.detail
    found = await finding({**there, "engine": "unix:///nowhere/docker.sock"})
    assert found.verdict == "absent"
    assert "systemctl start docker" in found.detail
