"""Every command that the docs print is one of the program, with words and options that it takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from sandmle.cli import build_app
from sandmle.core.engine.toolkit import open_toolkit

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
FENCED = re.compile(r"```[a-z]*\n(.*?)```", re.DOTALL)
QUOTED = re.compile(r"`(sandmle [^`]+)`")
PLACEHOLDER = re.compile(r"[A-Z]{2,}(\.\.\.)?")
UsageError: Any = typer.BadParameter.__base__
"""What the parser of arguments raises, whatever is wrong with a command."""


def typed(text: str) -> Iterator[list[str]]:
    """Commands as one would type them: lines of code blocks that begin with the program's name."""
    for block in FENCED.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\| ", line):
                if part.strip().removeprefix("$ ").startswith("sandmle "):
                    yield shlex.split(part.strip().removeprefix("$ "), comments=True)[1:]


def named(text: str) -> Iterator[list[str]]:
    """Commands, or the beginnings of some, that stand within sentences."""
    for code in QUOTED.findall(FENCED.sub("", text)):
        yield re.sub(r"[][|]|\.\.\.", " ", code).split()[1:]


def concrete(word: str) -> str:
    """What one could type in place of a word of a synopsis: brackets, alternatives and placeholders are gone."""
    if word.startswith("[-") or (word.endswith("]") and "[" not in word):
        word = word.strip("[]")
    # A one is text, a number and a path.
    return "1" if PLACEHOLDER.fullmatch(word) else word.partition("|")[0]


def walk(program: Any, words: list[str]) -> tuple[Any, Any, list[str]]:
    """The command that the words reach, its context, and the words that are left for it."""
    command, context = program, program.make_context("sandmle", list(words))
    rest = [*context._protected_args, *context.args]
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        name, command, rest = command.resolve_command(context, rest)
        context = type(context)(command, info_name=name, parent=context)
    return command, context, rest


@pytest.fixture(scope="module")
def program() -> Any:
    return typer.main.get_command(build_app(open_toolkit()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_printed_command_is_one_of_the_program(program: Any, page: Path) -> None:
    text = page.read_text("utf-8")
    wrong = []
    for words in typed(text):
        try:
            command, context, rest = walk(program, list(map(concrete, words)))
            if "--help" not in rest:
                command.make_context(context.info_name, rest, parent=context.parent)
        except UsageError as problem:
            wrong.append(f"{shlex.join(words)}: {type(problem).__name__}: {problem}")
    for words in named(text):
        try:
            command, _, rest = walk(program, words)
        except UsageError as problem:
            wrong.append(f"{shlex.join(words)}: {type(problem).__name__}: {problem}")
            continue
        known = {word for one in command.params for word in (*one.opts, *one.secondary_opts)} | {"--help"}
        wrong += [f"{shlex.join(words)}: no {one}" for one in rest if one.startswith("--") and one not in known]
    assert wrong == []
