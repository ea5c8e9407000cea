"""The example package installs with pip, appears, and its scaffold plays."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandmle.core.conformance.scaffold import check_scaffold

EXAMPLE = Path(__file__).parents[2] / "examples" / "sandmle-frugal"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, copied so that building leaves nothing behind, installed by pip into a folder of its own."""
    import shutil

    source = tmp_path_factory.mktemp("source") / "sandmle-frugal"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("*.egg-info", "build", "__pycache__"))
    target = tmp_path_factory.mktemp("target")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", target, source],
        check=True,
        capture_output=True,
    )
    return target


def test_the_installed_package_appears_in_the_list(installed, sandmle_json):
    listed = sandmle_json("plugins", "list", PYTHONPATH=str(installed))
    mine = {(row["kind"], row["name"]) for row in listed["plugins"] if row["source"] == "sandmle-frugal"}
    assert mine == {("scaffold", "one-call"), ("milestone", "frugal")}
    assert listed["broken"] == []


def test_the_packages_own_tests_pass(installed):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider", EXAMPLE / "tests"],
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
        cwd=installed,
    )
    assert done.returncode == 0, done.stdout[-2000:]


async def test_its_scaffold_passes_the_conformance_suite(installed, monkeypatch):
    monkeypatch.syspath_prepend(str(installed))
    from sandmle_frugal.config import OneCallConfig
    from sandmle_frugal.scaffold import OneCall

    await check_scaffold(OneCall(OneCallConfig()), ["```python\nprint('done')\n```"])


def test_its_configuration_is_validated_by_its_own_type(installed, sandmle):
    done = sandmle("config", "show", "--set", "plugin.scaffold.one-call.repair=3", code=2, PYTHONPATH=str(installed))
    assert "unknown configuration key 'plugin.scaffold.one-call.repair'; did you mean 'repairs'?" in done.stderr
    shown = sandmle(
        "config", "show", "--json", "--set", "plugin.scaffold.one-call.repairs=3", PYTHONPATH=str(installed)
    )
    assert json.loads(shown.stdout)["settings"]["plugin"] == {"scaffold": {"one-call": {"repairs": 3}}}
