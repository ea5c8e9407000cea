"""Imports stay light, alone and acyclic."""

import pkgutil
import subprocess
import sys

import pytest

import sandmle

HEAVY = ("litellm", "langgraph", "langchain_core", "torch", "pandas", "sklearn", "numpy", "jupyter_client", "docker")
NEEDS_AN_EXTRA = ()


def modules() -> list[str]:
    return sorted(one.name for one in pkgutil.walk_packages(sandmle.__path__, "sandmle."))


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_sandmle_loads_nothing_heavy():
    assert loaded_by("import sandmle").isdisjoint(HEAVY)


def test_help_loads_nothing_heavy():
    code = (
        "sys.argv = ['sandmle', '--help']\nfrom sandmle.cli import main\n"
        "import io, contextlib\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    try: main()\n"
        "    except SystemExit as done: assert not done.code, done.code"
    )
    assert loaded_by(code).isdisjoint(HEAVY)


def test_core_and_rewards_load_nothing_heavy():
    # The grading worker is the one part of core that computes with scikit-learn, in a process of its own.
    apart = tuple(f"sandmle.core.engine.{name}" for name in ("metrics", "resampling", "grading_worker"))
    light = [name for name in modules() if name.startswith(("sandmle.core", "sandmle.rewards")) and name not in apart]
    assert loaded_by("\n".join(f"import {name}" for name in light)).isdisjoint({*HEAVY} - {"numpy"})


@pytest.mark.parametrize("name", modules())
def test_each_module_imports_alone_without_a_warning(name: str):
    if name.startswith("sandmle.core") or name.endswith("plugin"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", f"import {name}"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
