"""The example packages install with pip, appear, pass their own tests, and keep their contracts."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandmle.plugins.authoring.checking import check_package

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("sandmle-frugal", "sandmle-metered", "sandmle-reviewer")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples, copied so that building leaves nothing behind, installed by pip into a folder of its own."""
    sources, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    for name in NAMES:
        shutil.copytree(
            EXAMPLES / name, sources / name, ignore=shutil.ignore_patterns("*.egg-info", "build", "__pycache__")
        )
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", target]
    subprocess.run([*pip, *(sources / name for name in NAMES)], check=True, capture_output=True)
    return target


def test_the_installed_packages_appear_in_the_list(installed, sandmle_json):
    listed = sandmle_json("plugins", "list", PYTHONPATH=str(installed))
    found = {(row["source"], row["kind"], row["name"]) for row in listed["plugins"] if row["source"] in NAMES}
    assert found == {
        ("sandmle-frugal", "scaffold", "one-call"),
        ("sandmle-frugal", "milestone", "frugal"),
        ("sandmle-metered", "sandbox", "metered"),
        ("sandmle-metered", "milestone", "lean"),
        ("sandmle-reviewer", "role", "reviewer"),
        ("sandmle-reviewer", "llm", "tides"),
    }
    assert listed["broken"] == []


def test_the_packages_own_tests_pass(installed):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *(EXAMPLES / name / "tests" for name in NAMES),
        ],
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
        cwd=installed,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_check_finds_nothing_wrong_with_the_scaffold_and_its_milestone():
    report = check_package(EXAMPLES / "sandmle-frugal", 900)
    assert report.passed, report.as_text()
    assert [one.subject for one in report.findings] == ["milestone 'frugal'", "scaffold 'one-call'"]


@pytest.mark.slow
def test_the_check_finds_nothing_wrong_with_the_sandbox_and_its_milestone():
    report = check_package(EXAMPLES / "sandmle-metered", 900)
    assert report.passed, report.as_text()
    assert [one.subject for one in report.findings] == ["milestone 'lean'", "sandbox 'metered'"]


@pytest.mark.slow
def test_the_check_finds_nothing_wrong_with_the_role_its_check_and_its_provider():
    report = check_package(EXAMPLES / "sandmle-reviewer", 900)
    assert report.passed, report.as_text()
    assert [one.subject for one in report.findings] == ["provider 'tides'", "role 'reviewer'", "check of 'reviewer'"]


@pytest.mark.slow
def test_a_third_party_s_role_check_and_rule_family_make_tasks(installed, sandmle_json, tmp_path):
    roles = ["data-strategist", "reviewer", "ml-developer", "mlops-engineer", "technical-writer"]
    made = sandmle_json(
        "synth", "-n", 2, "-o", tmp_path / "out", "--model", "tides/roles",
        "--set", f"synthesis.roles={json.dumps(roles)}", "--set", 'synthesis.seed_ids=["diabetes-progression"]',
        PYTHONPATH=str(installed),
    )  # fmt: skip
    assert made["complete"], made["rejections"]
    assert {task["rule_family"] for task in made["tasks"]} == {"tidal-beat"}


def test_its_configuration_is_validated_by_its_own_type(installed, sandmle):
    done = sandmle("config", "show", "--set", "plugin.scaffold.one-call.repair=3", code=2, PYTHONPATH=str(installed))
    assert "unknown configuration key 'plugin.scaffold.one-call.repair'; did you mean 'repairs'?" in done.stderr
    shown = sandmle(
        "config", "show", "--json", "--set", "plugin.scaffold.one-call.repairs=3", PYTHONPATH=str(installed)
    )
    assert json.loads(shown.stdout)["settings"]["plugin"] == {"scaffold": {"one-call": {"repairs": 3}}}
