"""Runs inside the session: each program in a fresh folder and namespace, its submission kept apart from the others.

The source of this module is sent to the session as a cell. The file `submission.csv` of the working directory is
written by `put_up` only, whole: a program that is stopped half-way cannot leave half a file there.
"""

import linecache
import os
import shutil
import sys
import types

ROOM = "attempt"
"""Where a program runs; made anew for each."""
KEPT = "kept"
"""Where the submissions of earlier programs lie, by number."""
ANSWER = "submission.csv"


def run_program(number: int, source: str, put: bool) -> None:
    """Run a program as `__main__` in a folder of its own with `data/` in it; keep the submission that it writes.

    With `put`, that submission is put up at once, even when the program raises afterwards.
    """
    source = source.removeprefix("\n")
    name = f"attempt_{number}.py"
    # Lines for tracebacks.
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    home, main = os.getcwd(), sys.modules["__main__"]
    shutil.rmtree(ROOM, ignore_errors=True)
    os.makedirs(ROOM, exist_ok=True)
    os.makedirs(KEPT, exist_ok=True)
    if not os.path.lexists(os.path.join(ROOM, "data")):
        os.symlink(os.path.join(os.pardir, "data"), os.path.join(ROOM, "data"))
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    os.chdir(ROOM)
    try:
        exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)
    finally:
        os.chdir(home)
        sys.modules["__main__"] = main
        written = os.path.join(ROOM, ANSWER)
        if os.path.isfile(written):
            shutil.copyfile(written, _kept(number))
            if put:
                put_up(number)


def put_up(number: int, clear: bool = False) -> None:
    """Have the submission of an attempt stand as the answer.

    When that attempt wrote none, what stands is left, or with `clear` removed.
    """
    if os.path.isfile(_kept(number)):
        shutil.copyfile(_kept(number), ANSWER + ".new")
        os.replace(ANSWER + ".new", ANSWER)
    elif clear and os.path.lexists(ANSWER):
        os.remove(ANSWER)


def _kept(number: int) -> str:
    return os.path.join(KEPT, f"attempt_{number}.csv")
