"""What each format wants of a task on disk."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import tomli_w

from sandmle.core.engine.tasks import Task
from sandmle.core.types.task import TaskSpec
from sandmle.plugins.exchange.formats import TaskFormat
from sandmle.plugins.exchange.tasks.bundling import RANKING, SCORING, grader_source
from sandmle.plugins.exchange.tasks.material import (
    Material,
    copy_public,
    perfect_submission,
    refuse_other_medals,
    refuse_what_pandas_alters,
    template,
    write,
)

AGENT_S: Final = 1800.0
VERIFIER_S: Final = 600.0
BUILD_S: Final = 1200.0
"""Harbor's limits on the agent, the verifier and the building of either image, in seconds."""
SANITY_SAMPLE: Final = 64
"""The released bundle's second list holds 64 ids; ours, the first as many of the sorted ids."""
PACKAGES: Final = ("numpy", "pandas", "pillow", "scikit-learn", "scipy")
"""What the images of a Harbor task have."""
CATEGORIES: Final = MappingProxyType({"text": "NLP", "image": "CV"})
"""Modality to MLE-Dojo's word for it; where it has none, ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One format."""

    check: Callable[[Material], None]
    """Raises a `TaskError` when the task would be graded otherwise there."""
    write_task: Callable[[Material, Path], None]
    write_rest: Callable[[Sequence[Task], Path], None]
    warning: str | None = None


def _check_mlebench(material: Material) -> None:
    refuse_other_medals(material)
    refuse_what_pandas_alters(material)


def _write_mlebench(material: Material, root: Path) -> None:
    task, spec = material.task, material.spec
    name = spec.task_id
    competition, prepared = root / "competitions" / name, root / "data" / name / "prepared"
    config = {
        "id": name,
        "name": spec.title,
        "competition_type": "simple",
        "awards_medals": True,
        "prizes": None,
        "description": f"mlebench/competitions/{name}/description.md",
        "dataset": {
            "answers": f"{name}/prepared/private/answers.csv",
            "sample_submission": f"{name}/prepared/public/sample_submission.csv",
            "gold_submission": f"{name}/prepared/private/gold_submission.csv",
        },
        "grader": {"name": spec.metric.name, "grade_fn": f"mlebench.competitions.{name}.grade:grade"},
        "preparer": f"mlebench.competitions.{name}.prepare:prepare",
    }
    tail = template("frames.py.txt") + "\n\n" + template("mlebench_grade.py.txt")
    # YAML reads JSON.
    write(competition / "config.yaml", json.dumps(config, indent=2) + "\n")
    write(competition / "description.md", task.description)
    write(competition / "grade.py", grader_source(spec, SCORING, tail, f"MLE-bench grader of {name}."))
    write(competition / "prepare.py", template("mlebench_prepare.py.txt"))
    write(competition / "leaderboard.csv", task.layout.leaderboard.read_bytes())
    copy_public(task, prepared / "public")
    write(prepared / "public" / "description.md", task.description)
    write(prepared / "private" / "answers.csv", task.layout.answers.read_bytes())
    write(prepared / "private" / "gold_submission.csv", perfect_submission(material))


def _rest_of_mlebench(tasks: Sequence[Task], root: Path) -> None:
    write(root / "sandmle_mlebench.py", template("mlebench_registry.py.txt"))
    write(root / "split.txt", "".join(f"{task.spec.task_id}\n" for task in tasks))


def _write_mledojo(material: Material, root: Path) -> None:
    task, spec = material.task, material.spec
    competition, data = root / "competitions" / spec.task_id, root / "data" / spec.task_id / "data"
    board = task.layout.leaderboard.read_bytes()
    tail = template("frames.py.txt") + "\n\n" + template("mledojo_metric.py.txt")
    write(
        competition / "utils" / "metric.py", grader_source(spec, SCORING, tail, f"MLE-Dojo metric of {spec.task_id}.")
    )
    write(competition / "utils" / "prepare.py", template("mledojo_prepare.py.txt"))
    write(competition / "info" / "description.txt", task.description)
    write(competition / "info" / "private_leaderboard.csv", board)
    copy_public(task, data / "public")
    write(data / "public" / "description.txt", task.description)
    write(data / "private" / "test_answer.csv", task.layout.answers.read_bytes())
    # The only board: MLE-Dojo averages over those that are there, and HumanRank means the private one.
    write(data / "private" / "private_leaderboard.csv", board)


def _rest_of_mledojo(tasks: Sequence[Task], root: Path) -> None:
    categories = {
        task.spec.task_id: CATEGORIES.get(task.spec.modality, task.spec.modality.capitalize()) for task in tasks
    }
    text = template("mledojo_registry.py.txt").replace("{CATEGORIES}", repr(categories))
    write(root / "sandmle_mledojo.py", text)
    write(root / "competition.json", json.dumps({"SandMLE": sorted(categories)}, indent=2) + "\n")


def _write_harbor(material: Material, root: Path) -> None:
    task, folder = material.task, root / material.spec.task_id
    grader = grader_source(
        material.spec,
        (*SCORING, *RANKING),
        _verdict(material) + "\n\n" + template("harbor_grade.py.txt"),
        f"Verifier of {material.spec.task_id}: runs where the agent never was.",
    )
    write(
        folder / "instruction.md", template("harbor_instruction.md").replace("{description}", task.description.strip())
    )
    write(folder / "task.toml", tomli_w.dumps(_harbor_config(material.spec)))
    write(folder / "environment" / "Dockerfile", _image("harbor_environment.txt"))
    copy_public(task, folder / "environment" / "data")
    write(folder / "tests" / "Dockerfile", _image("harbor_tests.txt"))
    write(folder / "tests" / "test.sh", template("harbor_test.sh.txt"))
    write(folder / "tests" / "grade.py", grader)
    write(folder / "tests" / "answers.csv", task.layout.answers.read_bytes())
    write(folder / "solution" / "solve.sh", template("harbor_solve.sh.txt"))
    write(folder / "solution" / "submission.csv", perfect_submission(material))
    for script in ("tests/test.sh", "solution/solve.sh"):
        (folder / script).chmod(0o755)


def _image(name: str) -> str:
    """A Dockerfile with the very versions that graded here: another scikit-learn may round otherwise."""
    versions = {package.replace("-", "_"): version(package) for package in PACKAGES}
    return template(name).format(python=f"{sys.version_info.major}.{sys.version_info.minor}", **versions)


def _harbor_config(spec: TaskSpec) -> dict[str, Any]:
    return {
        "schema_version": "1.4",
        # All that the verifier is given of what the agent did.
        "artifacts": ["/app/submission.csv"],
        "task": {"name": f"sandmle/{spec.task_id}", "description": spec.title, "keywords": ["machine-learning"]},
        "metadata": {
            "modality": spec.modality,
            "task_type": spec.task_type,
            "metric": spec.metric.name,
            "direction": spec.metric.direction.value,
            "domain": spec.domain,
        },
        "verifier": {"timeout_sec": VERIFIER_S, "environment_mode": "separate"},
        "agent": {"timeout_sec": AGENT_S},
        "environment": {"build_timeout_sec": BUILD_S, "cpus": 2, "memory_mb": 4096, "storage_mb": 10240},
    }


def _check_release(material: Material) -> None:
    # Thresholds that are no numbers have no JSON, and the released code takes away the reward where one is missing.
    refuse_other_medals(material)


def _write_release(material: Material, root: Path) -> None:
    task, public = material.task, root / material.spec.task_id / "prepared" / "public"
    tail = _verdict(material) + "\n\n" + template("release_evaluator.py.txt")
    copy_public(task, public)
    write(public / "description.md", task.description)
    write(public / "answer.csv", task.layout.answers.read_bytes())
    summary = f"Evaluator of {material.spec.task_id}, in the released bundle's manner."
    write(public / "evaluator.py", grader_source(material.spec, (*SCORING, *RANKING), tail, summary))


def _rest_of_release(tasks: Sequence[Task], root: Path) -> None:
    ids = sorted(task.spec.task_id for task in tasks)
    write(root / "ok_competitions_sanity.json", json.dumps(ids, indent=2) + "\n")
    write(root / "ok_competitions_sanity_random_64.json", json.dumps(ids[:SANITY_SAMPLE], indent=2) + "\n")


def _verdict(material: Material) -> str:
    return template("verdict.py.txt").format(
        thresholds={name: str(value) for name, value in material.spec.thresholds.model_dump().items()},
        board=material.board.values,
        kind=material.board.kind.value,
    )


LAYOUTS: Final[Mapping[TaskFormat, Layout]] = MappingProxyType(
    {
        TaskFormat.MLEBENCH: Layout(check=_check_mlebench, write_task=_write_mlebench, write_rest=_rest_of_mlebench),
        TaskFormat.MLEDOJO: Layout(
            check=refuse_what_pandas_alters, write_task=_write_mledojo, write_rest=_rest_of_mledojo
        ),
        TaskFormat.HARBOR: Layout(
            check=lambda material: None, write_task=_write_harbor, write_rest=lambda tasks, root: None
        ),
        TaskFormat.SANDMLE_RELEASE: Layout(
            check=_check_release,
            write_task=_write_release,
            write_rest=_rest_of_release,
            warning="this layout puts answer.csv and evaluator.py where agents can read them: what is scored on it "
            "is no evidence; keep it to comparisons with the released code",
        ),
    }
)
