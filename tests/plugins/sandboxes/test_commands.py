"""`sandmle sandbox` from the command line: one document, and clear words for bad input."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sandmle.cli import build_app
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import ConfigError, SandboxError, UsageError
from sandmle.plugins.sandboxes.trial import probe


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "train.csv").write_text("id,y\n1,2\n")
    sources = {
        "one.py": "x = len(open('data/train.csv').read()); open('submission.csv', 'w').write('id,y\\n1,2\\n'); x",
        "two.py": "import os\nopen('raw', 'wb').write(b'\\xff\\x00')\nos.symlink('/etc/passwd', 'link')\n1 / 0",
        "three.py": "import os; os._exit(7)",
        "four.py": "print('never')",
    }
    for name, source in sources.items():
        (tmp_path / name).write_text(source)
    return tmp_path


def invoke(*words: str) -> Result:
    return CliRunner().invoke(build_app(open_toolkit()), ["sandbox", *words])


def test_a_run_is_one_document_with_a_record_for_each_cell(cells: Path) -> None:
    names = [str(cells / f"{name}.py") for name in ("one", "two", "three", "four")]
    fetch = [word for path in ("submission.csv", "raw", "link", "nowhere") for word in ("--fetch", path)]
    words = ["--backend", "process", "--public", str(cells / "public"), *names, *fetch, "--timeout", "20", "--json"]
    done = invoke("run", *words)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["backend"] == "process"
    assert [(cell["file"], cell["status"]) for cell in document["cells"]] == [
        (names[0], "ok"), (names[1], "error"), (names[2], "died"), (names[3], "died"),
    ]  # fmt: skip
    assert document["cells"][0]["stdout"] == "9\n"
    assert "ZeroDivisionError" in document["cells"][1]["stderr"]
    assert set(document["cells"][0]) == {"file", "status", "stdout", "stderr", "wall_s"}
    assert document["fetched"] == {
        "submission.csv": {"size": 9, "text": "id,y\n1,2\n"},
        "raw": {"size": 2, "base64": "/wA="},
        "link": {"refused": "is a symbolic link or lies behind one"},
        "nowhere": {"refused": "does not exist"},
    }


def test_a_cell_is_read_as_python_reads_a_file(cells: Path) -> None:
    (cells / "mark.py").write_bytes(b"\xef\xbb\xbfprint('marked')\r\n")
    (cells / "coded.py").write_bytes(b"# -*- coding: latin-1 -*-\nprint('caf\xe9')\n")
    done = invoke("run", str(cells / "mark.py"), str(cells / "coded.py"), "--json")
    assert [cell["stdout"] for cell in json.loads(done.stdout)["cells"]] == ["marked\n", "caf\xe9\n"]


def test_an_endless_cell_is_a_timeout_and_no_failure(cells: Path) -> None:
    (cells / "endless.py").write_text("while True: pass")
    done = invoke("run", str(cells / "endless.py"), str(cells / "four.py"), "--timeout", "1", "--json")
    assert done.exit_code == 0
    assert [cell["status"] for cell in json.loads(done.stdout)["cells"]] == ["timeout", "died"]


def test_a_person_reads_the_same_without_json(cells: Path) -> None:
    done = invoke("run", str(cells / "four.py"), "--fetch", "x")
    assert done.exit_code == 0
    assert "four.py: ok" in done.stdout
    assert "never" in done.stdout
    assert "fetched x: does not exist" in done.stdout


def test_the_probe_says_what_held(cells: Path) -> None:
    document = json.loads(invoke("probe", "--json").stdout)
    assert set(document["probes"]) == {"read", "connect", "kill"}
    assert all(verdict["held"] for verdict in document["probes"].values())
    assert document["level"] in ("L3", "L2")


@pytest.mark.parametrize(
    ("words", "kind", "complaint"),
    [
        (["run", "nowhere.py"], UsageError, "nowhere.py"),
        (["run", "{cells}/public"], UsageError, "cannot be read"),
        (["run", "{cells}/bad.py"], UsageError, "not UTF-8"),
        (["run", "{cells}/one.py", "--public", "{cells}/nowhere"], UsageError, "no such directory"),
        (["run", "{cells}/one.py", "--backend", "proces"], ConfigError, "did you mean 'process'"),
        (["run", "{cells}/one.py", "--set", "plugin.sandbox.process.gpus=[-1]"], ConfigError, "gpus"),
        (["run", "{cells}/one.py", "--set", "plugin.sandbox.process.colt=true"], ConfigError, "colt"),
    ],
)
def test_bad_input_is_named(cells: Path, words: list[str], kind: type[Exception], complaint: str) -> None:
    (cells / "bad.py").write_bytes(b"\xff")
    done = invoke(*[word.format(cells=cells) for word in words])
    assert isinstance(done.exception, kind)
    assert complaint in str(done.exception)


def test_settings_on_the_command_line_make_a_session_cold_and_the_document_says_who_limits_it(cells: Path) -> None:
    (cells / "look.py").write_text("import os, sys; print('numpy' in sys.modules, 'PYTHONMALLOC' in os.environ)")
    documents = []
    for cold in ("false", "true"):
        settings = [f"plugin.sandbox.process.{name}" for name in (f"cold={cold}", "zygotes=1", "cgroup=off")]
        settings = [word for one in settings for word in ("--set", one)]
        done = invoke("run", str(cells / "look.py"), *settings, "--json")
        assert done.exit_code == 0, done.output
        documents.append(json.loads(done.stdout))
    assert [one["cells"][0]["stdout"] for one in documents] == ["True True\n", "False False\n"]
    assert [one["limits_by"] for one in documents] == ["watchdog", "watchdog"]


async def test_a_sandbox_that_fails_in_its_own_way_is_named() -> None:
    class Failing:
        name = "failing"

        async def start(self) -> None:
            raise ZeroDivisionError("no machinery")

        async def close(self) -> None:
            """There is nothing to close."""

    with pytest.raises(SandboxError, match="sandbox 'failing': ZeroDivisionError: no machinery"):
        await probe(Failing())
