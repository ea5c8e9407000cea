"""A package of every kind is whole: its own tests pass, its types hold, and its suite finds nothing wrong."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from mypy import api

from sandmle.plugins.authoring.checking import check_package

ROOT = Path(__file__).parents[3]
# Of these the check has more to do than their packages' own tests have: tables in `pyproject.toml`, and a hook.
CHECKED = ("role", "check", "provider", "benchmark", "tracker")


def test_each_holds_what_a_package_needs(packages):
    for word, source in packages.items():
        held = {str(path.relative_to(source.root)) for path in source.root.rglob("*") if path.is_file()}
        module = f"my_{word}"
        assert held >= {
            "README.md",
            "pyproject.toml",
            f"src/{module}/__init__.py",
            f"src/{module}/plugin.py",
            f"src/{module}/py.typed",
            f"tests/test_{module}.py",
        }
        assert source.entry_points == {f"my-{word}": f"{module}.plugin"}


def test_no_field_of_a_template_is_left_and_every_module_says_what_it_is_for(packages):
    for source in packages.values():
        for path in source.root.rglob("*"):
            if not path.is_file():
                continue
            text = path.read_text("utf-8")
            assert not [word for word in text.split("__")[1::2] if word.isupper()], path
            if path.suffix == ".py":
                assert ast.get_docstring(ast.parse(text)), path
            if path.suffix == ".toml":
                assert tomllib.loads(text)["project"]["description"].strip()


def test_their_own_tests_pass(packages, as_installed, tmp_path):
    tests = [str(source.root / "tests") for source in packages.values()]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider", *tests],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(as_installed)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]


def test_their_types_hold(packages, monkeypatch):
    monkeypatch.setenv("MYPYPATH", os.pathsep.join(str(source.root / "src") for source in packages.values()))
    # The package's own settings and cache, so that what they import has been judged already where `make check` ran.
    monkeypatch.chdir(ROOT)
    said, wrong, code = api.run([word for name in packages for word in ("-p", f"my_{name}")])
    assert code == 0, said + wrong


def test_the_check_finds_nothing_wrong_with_them(packages):
    reports = {word: check_package(packages[word].root, 900) for word in CHECKED}
    assert {word: report.as_text() for word, report in reports.items() if not report.passed} == {}
    assert all(len(report.findings) == 1 for report in reports.values())
