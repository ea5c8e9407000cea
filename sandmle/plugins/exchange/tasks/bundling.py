"""A grader in one file, made of the very source that grades here, so that it cannot come to another verdict.

The file needs numpy, scipy and scikit-learn, and nothing of SandMLE. Imports of our own modules are left out, since
what they name stands in the same file.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from sandmle.core.types.task import TaskSpec

_ENGINE: Final = "sandmle.core.engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is taken of a module: the names, or all of it."""

    module: str
    names: tuple[str, ...] = ()


SCORING: Final = (
    Part(module="sandmle.core.errors", names=("nearest",)),
    Part(module="sandmle.core.types.score", names=("Direction", "Prediction")),
    Part(module=f"{_ENGINE}.csv_table"),
    Part(module=f"{_ENGINE}.answers"),
    Part(module=f"{_ENGINE}.submissions"),
    Part(module=f"{_ENGINE}.metrics"),
    Part(module=f"{_ENGINE}.grading_worker", names=("predictions", "_scores")),
)
"""Submission bytes to a score."""

RANKING: Final = (
    Part(module="sandmle.core.types.score", names=("Medal", "Thresholds")),
    Part(module=f"{_ENGINE}.board_cells", names=("Number", "ColumnKind", "BoardColumn")),
    Part(module=f"{_ENGINE}.boards", names=("SCORE_DECIMALS", "Position", "medal_of", "above_median", "PositionBoard")),
)
"""A score to a medal and a place."""

_STANDING_IN: Final = '''
class TaskError(ValueError):
    """The answers cannot be used."""


class BoardError(ValueError):
    """The board cannot be used."""


@dataclass(frozen=True)
class SubmissionFormat:
    """What a valid submission looks like."""

    id_column: str
    target_columns: tuple
    prediction: object
    classes: tuple
'''
"""What our own types, which need pydantic, are replaced by."""


def grader_source(spec: TaskSpec, parts: Iterable[Part], tail: str, summary: str) -> str:
    """The text of a grader for one task.

    Args:
        spec: the task.
        parts: what is taken of our modules, in an order in which each needs only what stands before it.
        tail: what the reader of the file calls.
        summary: the first line of its docstring.
    """
    taken, imports = [_STANDING_IN], {"from dataclasses import dataclass"}
    for part in parts:
        text = _source(part.module)
        taken += _pieces(text, part)
        imports |= set(_foreign_imports(text))
    form = spec.submission
    constants = (
        f"FORM = SubmissionFormat(\n    id_column={form.id_column!r},\n    target_columns={form.target_columns!r},\n"
        f"    prediction=Prediction({form.prediction.value!r}),\n    classes={form.classes!r},\n)\n"
        f"METRIC = {spec.metric.name!r}\nDIRECTION = Direction({spec.metric.direction.value!r})\n"
    )
    body = "\n\n".join([*(piece.strip("\n") + "\n" for piece in taken), constants, tail.strip("\n") + "\n"])
    head = f'"""{summary}\n\nMade by `sandmle export tasks` of the grader of SandMLE itself; do not edit.\n"""\n'
    return f"{head}\n{_needed(imports, body)}\n\n{body}"


def _source(module: str) -> str:
    # The modules are read and not imported: the metrics take a second to import.
    found = find_spec(module)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"the source of {module} is not installed")
    return Path(found.origin).read_text("utf-8")


def _pieces(text: str, part: Part) -> Iterator[str]:
    lines = text.splitlines(keepends=True)
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_text(node):
            continue
        if part.names and not set(part.names) & _bound(node):
            continue
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(one.lineno for one in decorators)])
        yield "".join(lines[first - 1 : node.end_lineno])


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _bound(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets: Sequence[ast.expr] = ()
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = (node.target,)
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _foreign_imports(text: str) -> Iterator[str]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import):
            yield from (ast.unparse(ast.Import(names=[name])) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("sandmle"):
            yield from (ast.unparse(ast.ImportFrom(module=node.module, names=[name], level=0)) for name in node.names)


def _needed(imports: set[str], body: str) -> str:
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    # Plain imports first, then the others, each by name.
    return "\n".join(
        line for line in sorted(imports, key=lambda line: (line.startswith("from"), line)) if _name(line) in used
    )


def _name(line: str) -> str:
    return line.split()[-1].partition(".")[0]
