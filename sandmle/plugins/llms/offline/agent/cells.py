"""Puts a cell together: the statements of the snippets that its main part needs, above it. Pure."""

import ast
import re
from importlib.resources import files

SNIPPETS = "sandmle.plugins.llms.offline.agent.snippets"
SNIPPET_NAMES = (
    "look",
    "tables",
    "engineer",
    "textual",
    "pictures",
    "signals",
    "links",
    "measure",
    "validate",
    "search",
    "blending",
    "several",
)
_WORD = re.compile(r"[A-Za-z_]\w*")


def with_snippets(head: str, main: str) -> str:
    """`main` below those statements of the snippets that it needs, directly or through others."""
    statements = [statement for name in SNIPPET_NAMES for statement in _statements(name)]
    wanted, wanted_names = dict.fromkeys(range(len(statements)), False), set(_WORD.findall(main))
    growing = True
    while growing:
        growing = False
        for at, (names, source) in enumerate(statements):
            if not wanted[at] and names & wanted_names:
                wanted[at] = growing = True
                wanted_names.update(_WORD.findall(source))
    chosen = dict.fromkeys(source for at, (_, source) in enumerate(statements) if wanted[at])
    return "\n".join([head, *chosen, main])


def _statements(name: str) -> list[tuple[set[str], str]]:
    """The top-level statements of a snippet: the names each defines, and its source."""
    found = []
    for statement in ast.parse(files(SNIPPETS).joinpath(f"{name}.py").read_text("utf-8")).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            # Snippets import one another only to be modules of their own; in a cell they stand side by side.
            if not (isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("sandmle")):
                found.append(({one.asname or one.name for one in statement.names}, ast.unparse(statement)))
        elif isinstance(statement, ast.FunctionDef):
            found.append(({statement.name}, _bare(statement)))
        elif isinstance(statement, ast.Assign):
            names = {target.id for target in statement.targets if isinstance(target, ast.Name)}
            found.append((names, ast.unparse(statement)))
    return found


def _bare(function: ast.FunctionDef) -> str:
    """A function as source without annotations and docstring, which would only make the conversation longer."""
    bare = ast.FunctionDef(
        name=function.name,
        args=ast.arguments(
            posonlyargs=[],
            args=[ast.arg(arg=one.arg) for one in function.args.args],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[],
        ),
        body=[_unannotated(one) for one in function.body if not _is_docstring(one)],
        decorator_list=[],
        returns=None,
        lineno=0,
    )
    return ast.unparse(bare)


def _unannotated(statement: ast.stmt) -> ast.stmt:
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        return ast.Assign(targets=[statement.target], value=statement.value, lineno=0)
    return statement


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
