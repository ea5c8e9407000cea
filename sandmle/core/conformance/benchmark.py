"""The checks that every `Benchmark` has to pass. Shipped to plugin authors."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from sandmle.core.conformance.shape import check_shape
from sandmle.core.contracts.benchmark import Benchmark
from sandmle.core.errors import PluginError, boundary
from sandmle.core.types.task import TaskLayout, TaskSpec


def check_benchmark(benchmark: Benchmark, what: str = "the benchmark") -> None:
    """Ask a benchmark for its tasks twice, and look at each directory.

    Args:
        benchmark: made once as for a run, with a configuration under which it has tasks.
        what: names it in messages.

    Raises:
        PluginError: it breaks a promise of the contract; the message says which.
        TaskError: it says itself that its tasks cannot be used.
    """
    check_shape(benchmark, Benchmark, what)
    found = _task_dirs(benchmark, what)
    if not found:
        raise PluginError(f"{what} has no tasks; raise a TaskError that says what to do where there are none")
    ids = [_task_id(path, what) for path in found]
    twice = next((one for one in ids if ids.count(one) > 1), None)
    if twice is not None:
        raise PluginError(f"{what} has two tasks with the id {twice!r}; a run keeps its episodes apart by task id")
    if _task_dirs(benchmark, what) != found:
        raise PluginError(f"{what} gave other tasks, or another order, the second time; a resumed run needs the same")


def _task_dirs(benchmark: Benchmark, what: str) -> list[Path]:
    with boundary(PluginError, f"{what} failed in its task_dirs()"):
        found: object = benchmark.task_dirs()
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise PluginError(f"{what}: task_dirs() gave a {type(found).__name__}; give a list of paths")
    for path in found:
        if not isinstance(path, Path):
            raise PluginError(f"{what}: task_dirs() holds a {type(path).__name__}; give pathlib.Path objects")
    return list(found)


def _task_id(path: Path, what: str) -> str:
    layout = TaskLayout(path)
    if not layout.spec.is_file():
        raise PluginError(f"{what}: {path} is not a task directory: it has no task.toml")
    try:
        spec = TaskSpec.model_validate(tomllib.loads(layout.spec.read_text("utf-8")))
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        raise PluginError(f"{what}: {layout.spec}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from problem
    except ValueError as problem:
        raise PluginError(f"{what}: {layout.spec} is not TOML: {problem}") from problem
    needed = [layout.description]
    if spec.provenance.origin != "competition":
        # A competition's other files lie where its own benchmark keeps them, under that benchmark's names.
        needed += [layout.sample_submission, layout.answers, layout.leaderboard]
    missing = [str(one.relative_to(path)) for one in needed if not one.is_file()]
    if missing:
        raise PluginError(f"{what}: task {path} is incomplete: it has no {', '.join(missing)}")
    return spec.task_id
