"""Runs reference solutions one after another; those that begin alike share what their first lines came to.

Sent into a sandbox as it stands. Every solution finds an empty directory, an empty namespace and fresh random states.
Most members of a population read the same files and make the same features of them: where the statements so far are
those of an earlier solution, word for word and with the same imports, its variables are copied instead. That is done
only where running them again could not come to anything else: nothing but definitions and assignments so far, no
random number drawn, no file written, and values of which a copy is as good.
"""

import ast
import copy
import linecache
import os
import random
import shutil
import sys
import time
from collections import OrderedDict
from types import FunctionType
from typing import Any

WORTH_S = 0.004
"""Processor time of statements from which on their outcome is kept."""
MOST_KEPT = 4
"""Outcomes kept at a time; those last used stay."""
_COPIED = ("numpy", "pandas", "scipy", "sklearn")
"""Packages whose objects can be copied and are worth as much then."""
_PLAIN = (int, float, complex, str, bytes, bool, type(None))
_HIDDEN = ("__name__", "__builtins__")

Key = tuple[Any, ...]
"""Statements so far and what the imported names in them stand for."""


class Runner:
    """The solutions of one session, which all run in the directory in which this is made."""

    def __init__(self) -> None:
        self.home = os.getcwd()
        self.names: dict[str, Any] = {}
        """Of whichever solution runs; one dictionary for all, so that functions that are kept find the names of now."""
        self.kept: OrderedDict[Key, dict[str, Any]] = OrderedDict()

    def run(self, name: str, code: str) -> None:
        """Run a solution. What it raises passes through, with its own lines in the traceback."""
        self._clean()
        linecache.cache[name] = (len(code), None, code.splitlines(True), name)
        self.names.clear()
        self.names["__name__"] = "__main__"
        tree = ast.parse(code, name)
        imports, body = _parted(tree.body)
        if any(isinstance(one, ast.ImportFrom) and one.module == "__future__" for one in imports):
            exec(compile(code, name, "exec"), self.names)
            return
        self._carry_out(imports, name)
        imported = frozenset(self.names)
        keys = _keys(imports, body)
        done = next((at for at in range(len(keys), 0, -1) if keys[at - 1] in self.kept), 0)
        if done:
            self.kept.move_to_end(keys[done - 1])
            self.names.update(copy.deepcopy(self.kept[keys[done - 1]]))
        spent = 0.0
        for statement, key in zip(body[done:], keys[done:], strict=False):
            began = time.process_time()
            self._carry_out([statement], name)
            spent += time.process_time() - began
            if spent >= WORTH_S and self._keep(key, imported):
                spent = 0.0
        self._carry_out(body[max(done, len(keys)) :], name)

    def _clean(self) -> None:
        os.chdir(self.home)
        for entry in _written():
            shutil.rmtree(entry) if os.path.isdir(entry) and not os.path.islink(entry) else os.remove(entry)
        random.seed(0)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(0)
        self.states = _random_states()

    def _carry_out(self, statements: list[ast.stmt], name: str) -> None:
        if statements:
            exec(compile(ast.Module(statements, []), name, "exec"), self.names)

    def _keep(self, key: Key, imported: frozenset[str]) -> bool:
        """Keep the variables of now under a key, where copies of them would do."""
        own = {name: value for name, value in self.names.items() if name not in imported and name not in _HIDDEN}
        if _written() or _random_states() != self.states or not all(map(self._can_be_copied, own.values())):
            return False
        try:
            self.kept[key] = copy.deepcopy(own)
        except (TypeError, ValueError, AttributeError, copy.Error, MemoryError):
            # An array may hold anything, and an object of a package an open file.
            return False
        while len(self.kept) > MOST_KEPT:
            self.kept.popitem(last=False)
        return True

    def _can_be_copied(self, value: Any) -> bool:
        if isinstance(value, (list, tuple, set, dict)):
            inside = value.values() if isinstance(value, dict) else value
            return type(value) in (list, tuple, set, dict) and all(map(self._can_be_copied, inside))
        if isinstance(value, FunctionType):
            return value.__globals__ is self.names and value.__closure__ is None
        return isinstance(value, _PLAIN) or type(value).__module__.partition(".")[0] in _COPIED


def _parted(statements: list[ast.stmt]) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """The imports that a program begins with, its docstring included, and all that follows."""
    count = 0
    while count < len(statements) and (
        isinstance(statements[count], (ast.Import, ast.ImportFrom)) or _is_text(statements[count])
    ):
        count += 1
    return statements[:count], statements[count:]


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _keys(imports: list[ast.stmt], body: list[ast.stmt]) -> list[Key]:
    """A key for each of the first statements that define or assign, and do nothing else to what is there."""
    bound = {
        alias.asname or alias.name.partition(".")[0]: f"{getattr(one, 'module', '')}:{alias.name}"
        for one in imports
        if isinstance(one, (ast.Import, ast.ImportFrom))
        for alias in one.names
    }
    keys: list[Key] = []
    key: Key = ()
    for statement in body:
        if not _only_names(statement):
            break
        used = sorted({node.id for node in ast.walk(statement) if isinstance(node, ast.Name)} & bound.keys())
        key = (*key, ast.dump(statement), *((name, bound[name]) for name in used))
        keys.append(key)
    return keys


def _only_names(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.FunctionDef):
        return True
    return isinstance(statement, ast.Assign) and all(
        isinstance(target, ast.Name)
        or (isinstance(target, ast.Tuple) and all(isinstance(one, ast.Name) for one in target.elts))
        for target in statement.targets
    )


def _written() -> list[str]:
    """Whatever stands in the directory beside the public files."""
    return [entry for entry in os.listdir() if entry != "data"]


def _random_states() -> Any:
    drawn = sys.modules["numpy"].random.get_state() if "numpy" in sys.modules else ()
    return random.getstate(), [one if isinstance(one, (str, int, float)) else one.tolist() for one in drawn]
