"""A virtual environment below the temporary directory works, though sessions have one of their own."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The interpreter of a new environment in the temporary directory that borrows our packages."""
    assert str(tmp_path).startswith("/tmp/") or pytest.skip("pytest's temporary directory is not below /tmp")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python3*/site-packages")
    (site / "borrowed.pth").write_text("\n".join({sysconfig.get_path("purelib"), str(Path(__file__).parents[3])}))
    (site / "only_in_this_environment.py").write_text("value = 7\n")
    return tmp_path / "venv" / "bin" / "python"


@pytest.mark.parametrize("backend", ["process", "jupyter"])
def test_late_imports_from_it_work(python: Path, tmp_path: Path, backend: str):
    cell, public = tmp_path / "cell.py", tmp_path / "public"
    public.mkdir()
    cell.write_text(
        "import only_in_this_environment, json.tool\nprint(only_in_this_environment.value)\n"
        "handle = open('/tmp/x', 'w')"
    )
    words = [python, "-m", "sandmle.cli", "sandbox", "run", "--backend", backend, "--public", public, cell, "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)["cells"]
    assert (record["status"], record["stdout"]) == ("ok", "7\n"), record
