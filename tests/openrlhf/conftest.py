"""The tests against the real OpenRLHF, DeepSpeed, Ray, PEFT and TRL, all on a CPU.

`make test-openrlhf` builds the environment that they need and runs them in it. Elsewhere each file here is skipped and
says so. Files need no marker and no guard of their own: all that is collected here is marked, and nothing is imported
where the packages are not.
"""

import importlib.util
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

REQUIRED = "REQUIRE_OPENRLHF"
"""Set by `make test-openrlhf`: a run in which no test passed is then a failure."""
MISSING = [name for name in ("openrlhf", "deepspeed", "vllm", "flash_attn") if importlib.util.find_spec(name) is None]
REASON = f"no {', '.join(MISSING)} here: these tests have an environment of their own, make test-openrlhf"

if not MISSING:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with warnings.catch_warnings():
        # What these packages warn of while they are imported is theirs to mend.
        warnings.simplefilter("ignore")
        import openrlhf.cli
        import openrlhf.models
        import openrlhf.trainer.ppo_utils.experience_maker
        import openrlhf.trainer.ppo_utils.samples_generator
        import openrlhf.utils.agent  # noqa: F401


class _Absent(pytest.Module):
    """A file whose packages are not installed."""

    def collect(self) -> Any:
        pytest.skip(REASON, allow_module_level=True)


def pytest_configure(config: pytest.Config) -> None:
    if not MISSING:
        config.addinivalue_line("filterwarnings", "default")
    if os.environ.get(REQUIRED):
        if MISSING:
            raise pytest.UsageError(REASON)
        config.pluginmanager.register(_SomethingPasses())


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    if MISSING:
        return _Absent.from_parent(parent, path=module_path)
    module: pytest.Module = pytest.Module.from_parent(parent, path=module_path)
    module.add_marker(pytest.mark.openrlhf)
    return module


@pytest.fixture(scope="session")
def build() -> ModuleType:
    """`builders.py`: small models, tokenizers and batches, and OpenRLHF's own parts ready for them."""
    spec = importlib.util.spec_from_file_location("builders", Path(__file__).with_name("builders.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["builders"] = module
    spec.loader.exec_module(module)
    # Threads that wait for one another cost more than these small matrices, above all on a busy machine.
    module.torch.set_num_threads(1)
    return module


@pytest.fixture(scope="session")
def tokenizer(build: ModuleType) -> Any:
    """A token a byte, ChatML."""
    return build.byte_tokenizer()


@pytest.fixture
def generator(build: ModuleType, tokenizer: Any) -> Any:
    """Make our samples generator over prompts and what the engines answer."""
    from sandmle.plugins.trainers.openrlhf.generator import SegmentSamplesGenerator

    def make(args: Any, labels: list[str], *plays: Any) -> Any:
        prompts = [([""], [f"about {label}"], [label], [None]) for label in labels]
        engine = build.Rollouts(*plays)
        return SegmentSamplesGenerator(build.OneProcess(args=args), prompts, prompts, tokenizer, [engine]), engine

    with patch.object(build.ray, "get", build.get), patch.object(build.ray, "wait", build.wait):
        yield make


class _SomethingPasses:
    """Fails a run that was to show something and in which no test passed."""

    def __init__(self) -> None:
        self._passed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._passed += report.when == "call" and report.passed

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self._passed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self._passed:
            terminalreporter.write_line(f"no test passed, which {REQUIRED} calls a failure", red=True)
