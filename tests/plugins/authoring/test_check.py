"""What is wrong with a package is said in words, whatever it does, and nothing it does harms who checks it."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import pytest

from sandmle.cli import build_app
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import UsageError
from sandmle.core.hooks.manager import load_plugins
from sandmle.plugins.authoring.checking import check_package
from sandmle.plugins.authoring.examine import PROGRAM

PYPROJECT = """
[project]
name = "odd-one"
version = "1.0"
[project.entry-points.sandmle]
odd-one = "odd_one"
"""
MILESTONE = """
from sandmle import Spec, hookimpl

class Odd:
    name = "odd-one"

    def value(self, episode):
        {body}

@hookimpl
def sandmle_register_milestones():
    return [Spec(name="odd-one", summary="odd", make=lambda config: Odd())]
"""
SCAFFOLD = """
import asyncio
from sandmle import Action, ActionKind, Message, Spec, hookimpl

class Odd:
    name = "odd-one"

    {run}

    def mermaid(self):
        return "graph TD; a --> b"

@hookimpl
def sandmle_register_scaffolds():
    return [Spec(name="odd-one", summary="odd", make=lambda config: Odd())]
"""
GOOD = MILESTONE.format(body="return 0.5")


@pytest.fixture
def package(tmp_path):
    """Write a package of one module."""

    def write(module: str, pyproject: str = PYPROJECT) -> Path:
        root = tmp_path / "odd-one"
        (root / "src").mkdir(parents=True)
        (root / "pyproject.toml").write_text(pyproject)
        (root / "src" / "odd_one.py").write_text(module)
        return root

    return write


def wrong(root: Path, timeout_s: float = 120.0) -> str:
    report = check_package(root, timeout_s)
    assert not report.passed
    return "\n".join(problem for one in report.findings for problem in one.problems)


def test_a_sound_package_passes(package):
    report = check_package(package(GOOD), 120)
    assert report.as_text() == "   ok  milestone 'odd-one'\nodd-one: all 1 keep their contracts"


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        (MILESTONE.format(body="return 1 / 0"), "milestone 'odd-one' failed on an episode"),
        (MILESTONE.format(body="return 'much'"), "gave 'much' for an episode"),
        (MILESTONE.format(body="import sys; sys.exit(3)"), "ended the whole process with code 3"),
        (MILESTONE.format(body="import os; os.kill(os.getpid(), 9)"), "ended the whole process by signal SIGKILL"),
        # Most real-time signals have no name.
        (MILESTONE.format(body="import os; os.kill(os.getpid(), 40)"), "ended the whole process by signal 40"),
        (GOOD.replace("(self, episode)", "(self)"), "`value()` cannot be called as `value(episode)`"),
        (
            GOOD.replace('name = "odd-one"', 'name = "other"', 1),
            "its `name` is 'other', but it is registered as 'odd-one'",
        ),
        (GOOD.replace("make=lambda config: Odd()", "make=lambda: Odd()"), "cannot be made: TypeError"),
        (GOOD.replace("Odd())]", "Odd)]"), "is the class Odd itself"),
        (GOOD.replace("register_milestones", "register_milestone"), "did you mean 'sandmle_register_milestones'?"),
        (GOOD.replace("return [Spec", "return [dict"), "returned 'dict'; return a list of sandmle.Spec"),
        (GOOD.replace("@hookimpl", ""), "it brings nothing: no function of odd_one is a hook"),
        ("import nothing_like_it", "cannot be imported: ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        (
            SCAFFOLD.format(run="async def run(self, episode): raise KeyError('x')"),
            "failed in its run(): KeyError: 'x'",
        ),
        (SCAFFOLD.format(run="async def run(self, episode): pass"), "ran no code, whatever it was answered"),
        (
            "from sandmle import hookimpl\n@hookimpl\ndef sandmle_event(event): event.nothing",
            "hook 'sandmle_event' failed on RunStarted: AttributeError",
        ),
        (
            "from sandmle import hookimpl\n@hookimpl\ndef sandmle_check_task(task): return [task.spec.nothing]",
            "the check of 'odd-one' failed instead of judging: AttributeError",
        ),
        (
            "from sandmle import hookimpl\n@hookimpl\ndef sandmle_register_commands(app): raise OSError('no')",
            "plugin 'odd-one' cannot add its commands: OSError: no",
        ),
        (
            "from sandmle import hookimpl\n@hookimpl\ndef sandmle_register_commands(app): app.command('run')(print)",
            "there is a command 'run' already; rename it",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words(package, module, complaint):
    assert complaint in wrong(package(module))


def test_the_words_that_are_taken_are_the_programs_own():
    program = build_app(Toolkit(plugins=load_plugins(builtins=())))
    assert {one.callback.__name__ for one in program.registered_commands} == set(PROGRAM)


@pytest.mark.parametrize(
    ("module", "timeout_s", "doing"),
    [
        ("while True: pass", 4, "importing odd_one did not end within 4 s: it hangs"),
        (
            # Long enough for a busy machine to get as far as the suite.
            SCAFFOLD.format(run="async def run(self, episode):\n        while True: pass"),
            25,
            "the suite of scaffold 'odd-one' did not end within 25 s: it hangs",
        ),
    ],
)
def test_what_hangs_is_ended_and_named(package, module, timeout_s, doing):
    assert doing in wrong(package(module), timeout_s=timeout_s)


def test_no_process_of_a_package_outlives_its_check(package, tmp_path):
    note = tmp_path / "pid"
    module = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
open({str(note)!r}, "w").write(str(child.pid))
{GOOD}"""
    assert check_package(package(module), 120).passed
    pid = int(note.read_text())
    for _ in range(600):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.05)
                continue
        return
    os.kill(pid, signal.SIGKILL)
    pytest.fail("a process that the package started is still there")


@pytest.mark.parametrize(
    ("pyproject", "complaint"),
    [
        ('[project]\nname = "odd-one"', "has no entry point in the group 'sandmle', so nothing would find the plugin"),
        (PYPROJECT.replace("entry-points.sandmle", "entry-points.sandmel"), "(its groups are: sandmel); write:"),
        (PYPROJECT.replace('version = "1.0"', ""), "gives the package no version"),
        (PYPROJECT + "[tool.sandmle]\ncheck = 3", "must hold tables called [tool.sandmle.check.KIND.NAME]"),
        (PYPROJECT + "[tool.sandmle.check]\nscaffold = 3", "must hold tables called"),
        (PYPROJECT + "[tool.sandmle.check.milestones.odd-one]", "is of no kind of plugin; did you mean 'milestone'?"),
        (
            PYPROJECT + "[tool.sandmle.check.scaffold.odd-one]\nreplys = []",
            "tool.sandmle.check.scaffold.odd-one.replys'; did you mean 'replies'?",
        ),
        (PYPROJECT + "[tool.sandmle.check.milestone]\nodd-one = 3", "check.milestone.odd-one wants a table"),
        (PYPROJECT + "[tool.sandmle.check.milestone.odd-two]", "no milestone named 'odd-two'; did you mean 'odd-one'?"),
        (PYPROJECT.replace('odd-one = "odd_one"', ""), "must name at least one module"),
        (PYPROJECT.replace('name = "odd-one"', ""), "gives the package no name"),
        (
            PYPROJECT.replace('"odd_one"', '"odd_won"'),
            "cannot be imported: ModuleNotFoundError: No module named 'odd_won'",
        ),
        (PYPROJECT.replace('"odd_one"', '"json"'), "names 'json', which is not in this package but in"),
        (PYPROJECT.replace('"odd_one"', '"odd_one:plugin"'), "has no attribute 'plugin'"),
        ("[project", "is not TOML"),
    ],
)
def test_what_is_wrong_with_the_packaging_is_said_in_words(package, pyproject, complaint):
    assert complaint in wrong(package(GOOD, pyproject))


def test_a_folder_without_a_package_is_told_how_to_begin_one(tmp_path):
    assert "holds no pyproject.toml" in wrong(tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        check_package(tmp_path / "nowhere", 120)
    with pytest.raises(UsageError, match="is a file"):
        check_package(Path(__file__), 120)


def test_an_option_that_must_be_given_is_asked_for_and_taken_from_the_package(package):
    module = """
from pathlib import Path
from pydantic import BaseModel
from sandmle import Spec, hookimpl

class Config(BaseModel):
    path: Path

class Odd:
    def __init__(self, config):
        self.path = config.path

    def record(self, event):
        self.path.write_text(str(event))

    def close(self):
        pass

@hookimpl
def sandmle_register_trackers():
    return [Spec(name="odd-one", summary="odd", make=Odd, config=Config)]
"""
    root = package(module)
    said = wrong(root)
    assert "plugin.tracker.odd-one.path must be set" in said
    assert "[tool.sandmle.check.tracker.odd-one]" in said
    table = '[tool.sandmle.check.tracker.odd-one]\noptions = { path = "{scratch}/notes" }\n'
    (root / "pyproject.toml").write_text(PYPROJECT + table)
    assert check_package(root, 120).passed


def test_the_program_says_the_same_and_exits_with_one(package, sandmle, tmp_path):
    done = sandmle("plugins", "check", package(MILESTONE.format(body="print('noise'); return 2")), "--json", code=1)
    document = json.loads(done.stdout)
    assert (document["package"], document["passed"]) == ("odd-one", False)
    [checked] = document["checked"]
    assert checked["subject"] == "milestone 'odd-one'"
    assert "gave 2 for an episode" in checked["problems"][0]
    assert "does not exist" in sandmle("plugins", "check", tmp_path / "nowhere", code=2).stderr
