"""Solutions that begin alike share their beginning, and never anything that would change what they come to."""

import sys
import traceback
from pathlib import Path
from types import ModuleType

import pytest

from sandmle.plugins.synthesizer import solution_runner
from sandmle.plugins.synthesizer.solution_runner import Runner


class Counter(ModuleType):
    """What the solutions import: it counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__("counter")
        self.asked = 0

    def ask(self) -> list[int]:
        self.asked += 1
        return [1, 2, 3]

    def ask_otherwise(self) -> list[int]:
        return [7]


@pytest.fixture
def counter(monkeypatch) -> Counter:
    module = Counter()
    monkeypatch.setitem(sys.modules, "counter", module)
    return module


@pytest.fixture
def runner(tmp_path: Path, monkeypatch) -> Runner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(solution_runner, "WORTH_S", 0.0)
    (tmp_path / "data").mkdir()
    return Runner()


def written(code: str, runner: Runner) -> str:
    runner.run("one.py", code)
    return Path("submission.csv").read_text()


WRITE = "import pathlib\npathlib.Path('submission.csv').write_text(repr(value))\n"
ASK = "import counter\nvalue = counter.ask()\n"


def test_what_solutions_begin_with_is_worked_out_once_and_each_has_its_own_copy(runner, counter) -> None:
    changed = f"{ASK}value.append(9)\n{WRITE}"
    assert written(changed, runner) == "[1, 2, 3, 9]"
    assert written(changed, runner) == "[1, 2, 3, 9]"
    assert written(f"import json\n{ASK}{WRITE}", runner) == "[1, 2, 3]"
    assert counter.asked == 1


def test_functions_that_are_shared_find_the_names_of_whoever_calls_them(runner, counter) -> None:
    begin = f"{ASK}def tell():\n    return value\n\n\nkept = tell()\n"
    rest = "value = value[:1]\nvalue = tell() + kept\n"
    assert {written(f"{begin}{rest}{WRITE}", runner) for _ in range(2)} == {"[1, 1, 2, 3]"}
    assert counter.asked == 1


@pytest.mark.parametrize(
    "begin",
    [
        "import counter\ncounter.ask()\nvalue = 3\n",
        "import counter, random\nvalue = [random.random(), counter.ask()]\n",
        "import counter\nimport numpy as np\nvalue = [float(np.random.rand()), counter.ask()]\n",
        "import counter, pathlib\nvalue = pathlib.Path('more.txt').write_text(str(counter.ask()))\n",
        "import counter\nvalues = iter(counter.ask())\nvalue = next(values)\n",
        "import counter\nimport numpy as np\nvalues = np.array([(one for one in counter.ask()), 0])\nvalue = 1\n",
        "from __future__ import annotations\nimport counter\nvalue = counter.ask()\n",
    ],
    ids=[
        "a call alone",
        "random",
        "numpy's random",
        "a file",
        "no value to copy",
        "no content to copy",
        "another language",
    ],
)
def test_a_beginning_that_does_more_than_give_names_to_values_is_run_by_each(runner, counter, begin) -> None:
    said = {written(f"{begin}{WRITE}", runner) for _ in range(3)}
    assert len(said) == 1
    assert counter.asked == 3


def test_the_same_words_with_other_imports_are_not_the_same_beginning(runner, counter) -> None:
    rest = f"value = ask()\n{WRITE}"
    assert written(f"from counter import ask\n{rest}", runner) == "[1, 2, 3]"
    assert written(f"from counter import ask_otherwise as ask\n{rest}", runner) == "[7]"


def test_no_solution_finds_names_or_files_of_another(runner, counter) -> None:
    written(f"{ASK}mine = 1\n{WRITE}", runner)
    with pytest.raises(NameError, match="mine"):
        runner.run("two.py", f"{ASK}value = mine\n")
    assert not Path("submission.csv").exists()
    with pytest.raises(NameError, match="counter"):
        runner.run("three.py", "value = counter.ask()\n")


def test_an_error_shows_the_line_of_the_solution_that_raised_it(runner, counter) -> None:
    written(f"{ASK}{WRITE}", runner)
    with pytest.raises(ZeroDivisionError) as raised:
        runner.run("two.py", f"{ASK}\nvalue = 1 / 0\n")
    last = traceback.extract_tb(raised.value.__traceback__)[-1]
    assert (last.filename, last.lineno, last.line) == ("two.py", 4, "value = 1 / 0")


def test_no_more_outcomes_are_kept_than_there_is_room_for(runner) -> None:
    for number in range(2 * solution_runner.MOST_KEPT):
        written(f"value = [{number}]\n{WRITE}", runner)
    assert len(runner.kept) == solution_runner.MOST_KEPT
