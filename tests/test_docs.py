"""The docs cannot drift: hooks, glossary, quoted code and file lengths are compared with the package."""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import sandmle
from sandmle.core.hooks import hookspecs
from sandmle.core.hooks.registry import Kind

ROOT = Path(__file__).parents[1]
HOOKS = {name: spec for name, spec in vars(hookspecs).items() if name.startswith("sandmle_")}
HARD_FILE_LINES = 400
HARD_FUNCTION_LINES = 60


@pytest.mark.parametrize("name", HOOKS)
def test_each_hook_is_documented_with_its_arguments(name):
    text = (ROOT / "docs" / "plugin-hooks.md").read_text("utf-8")
    arguments = ", ".join(inspect.signature(HOOKS[name]).parameters)
    assert f"### `{name}({arguments})`" in text


@pytest.mark.parametrize("name", HOOKS)
def test_each_hook_has_a_test_of_its_own(name):
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert f"def test_hook_{name.removeprefix('sandmle_')}" in tests


def test_each_kind_is_named_in_the_docs():
    text = (ROOT / "docs" / "plugin-hooks.md").read_text("utf-8")
    assert [kind for kind in Kind if f"`{kind.value}`" not in text] == []


def test_each_class_of_the_glossary_exists():
    nouns = set(re.findall(r"`([A-Z][A-Za-z]+)`", (ROOT / "docs" / "glossary.md").read_text("utf-8")))
    defined: set[str] = set()
    for one in pkgutil.walk_packages(sandmle.__path__, "sandmle."):
        if one.name.startswith(("sandmle.core.types", "sandmle.core.contracts", "sandmle.core.hooks")) or (
            one.name == "sandmle.core.engine.environment"
        ):
            defined |= set(vars(importlib.import_module(one.name)))
    assert nouns
    assert nouns - defined == set()


@pytest.mark.parametrize(
    "page", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda path: path.name
)
def test_quoted_code_stands_in_the_file_it_is_quoted_from(page: Path):
    quoted = re.findall(r"<!-- from (\S+) -->\n```\w+\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert [path for path, code in quoted if code.strip("\n") not in (ROOT / path).read_text("utf-8")] == []
    if page.name == "writing-a-plugin.md":
        assert quoted


def python_files() -> list[Path]:
    return sorted(
        path for folder in ("sandmle", "tests", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.py")
    )


def test_no_file_passes_the_hard_length():
    long = {
        str(path.relative_to(ROOT)): n
        for path in python_files()
        if (n := len(path.read_text("utf-8").splitlines())) > HARD_FILE_LINES
    }
    assert long == {}


def test_no_function_passes_the_hard_length():
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > HARD_FUNCTION_LINES
    ]
    assert long == []
