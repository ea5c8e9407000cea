"""Inside a session: run cells one after another in one namespace, as a notebook does."""

import ast
import io
import linecache
import os
import socket
import sys
import traceback
import types
from types import CodeType
from typing import NoReturn

from sandmle.plugins.sandboxes.process import wire


def converse(channel: socket.socket) -> NoReturn:
    """Answer cells on `channel` until the host closes it.

    The answer is a fixed frame; output goes to descriptors 1 and 2. Everything said here can be
    forged by agent code in the same process, so the host believes none of it beyond its own clock.
    """
    own = os.getpid()
    names = _fresh_main()
    number = 0
    while (cell := wire.receive_cell(channel)) is not None:
        number += 1
        finished = run(cell.code, f"<cell {number}>", names)
        _flush()
        if os.getpid() != own:
            # The cell forked and its child came back here: only the session itself may answer.
            os._exit(0)
        channel.send(cell.nonce + (wire.OK if finished else wire.FAILED))
    os._exit(0)


def open_streams() -> None:
    """Make `sys.stdin`, `stdout` and `stderr` anew over descriptors 0, 1 and 2."""
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    for name, fd in (("stdout", 1), ("stderr", 2)):
        raw = io.FileIO(fd, "w", closefd=False)
        stream = io.TextIOWrapper(
            io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _fresh_main() -> dict[str, object]:
    """The namespace of the cells: that of a real `__main__`, so that pickling by name works."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    return module.__dict__


def run(code: str, name: str, names: dict[str, object]) -> bool:
    """Run one cell; whether it came to its end. A trailing expression is shown, as in a REPL."""
    # Lines for tracebacks; lazily loading ones would look for a file of that name.
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    try:
        for part, is_shown in _compile(code, name):
            if is_shown:
                sys.displayhook(eval(part, names))
            else:
                exec(part, names)
    except BaseException as problem:  # noqa: BLE001  Whatever a cell raises is its result.
        _show(problem)
        return False
    return True


def _compile(code: str, name: str) -> list[tuple[CodeType, bool]]:
    tree = ast.parse(code, name)
    tail = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    parts = [(compile(tree, name, "exec"), False)]
    if isinstance(tail, ast.Expr):
        parts.append((compile(ast.Expression(tail.value), name, "eval"), True))
    return parts


def _show(problem: BaseException) -> None:
    """Write the traceback from the cell's own first line on."""
    frames = problem.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    if frames is not None and frames.tb_frame.f_code.co_filename == ast.__file__:
        # Raised by the parser, whose frames say nothing about the cell.
        frames = None
    try:
        sys.stderr.write("".join(traceback.format_exception(type(problem), problem, frames)))
    except BaseException:  # noqa: BLE001  An exception's own text may raise anything.
        os.write(2, f"{type(problem).__name__} (its text could not be shown)\n".encode())


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # noqa: BLE001  The cell may have put anything in their place.
            if stream in (sys.__stdout__, sys.__stderr__):
                # What could not be written must not come out in the next cell.
                open_streams()
