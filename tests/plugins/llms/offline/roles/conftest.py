"""Asks the player with the synthesizer's own prompts, and runs what it writes."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from sandmle.core.contracts.synthesis import Dossier
from sandmle.core.types.message import Message
from sandmle.core.types.metrics import METRICS_BY_TASK_TYPE
from sandmle.core.types.synthesis import Development, Evaluation, Seed, Strategy, Writing
from sandmle.plugins.llms.offline.roles.families.catalogue import FAMILIES, FIRST, family_named
from sandmle.plugins.llms.offline.roles.player import play
from sandmle.plugins.synthesizer.role_config import StrategistConfig
from sandmle.plugins.synthesizer.roles import DataStrategist, MlDeveloper, MlopsEngineer, TechnicalWriter

MAKERS = {
    "data-strategist": DataStrategist(),
    "ml-developer": MlDeveloper(),
    "mlops-engineer": MlopsEngineer(),
    "technical-writer": TechnicalWriter(),
}
KINDS = [(family.name, task_type) for family in FIRST for task_type in family.task_types]
LATER = [(family.name, task_type) for family in FAMILIES if family not in FIRST for task_type in family.task_types]


def make_seed(modality: str, task_type: str, **dna: float | str) -> Seed:
    return Seed(
        seed_id="a-seed",
        title="A seed",
        modality=modality,
        task_type=task_type,
        metric=METRICS_BY_TASK_TYPE[task_type][0],
        dna={"rows": 500, "numeric_columns": 6, "classes": 3, "image_size": 8, **dna},
        source="test",
    )


def make_dossier(seed: Seed, index: int = 0, rng_seed: int = 1, accepted: tuple[str, ...] = ()) -> Dossier:
    return Dossier(seed=seed, index=index, rng_seed=rng_seed, accepted=accepted)


def conversation(role: str, dossier: Dossier) -> list[Message]:
    only = dossier.seed.dna.get("only")
    if role == "data-strategist" and only:
        return DataStrategist(config=StrategistConfig(families=(str(only),))).prompt(dossier)
    return MAKERS[role].prompt(dossier)


def answer(role: str, dossier: Dossier) -> BaseModel:
    """The player's answer, validated by the role's own type."""
    return MAKERS[role].answer_type.model_validate_json(play(conversation(role, dossier)))


def with_answer(role: str, dossier: Dossier) -> Dossier:
    return replace(dossier, answers={**dossier.answers, role: answer(role, dossier)})


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def generate(script: str, folder: Path, rng_seed: int = 11) -> dict[str, bytes]:
    """Run a generator script as the sandbox does: an empty directory and RNG_SEED."""
    with inside(folder):
        exec(compile(script, "generate.py", "exec"), {"RNG_SEED": rng_seed, "__name__": "__main__"})
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def solve(code: str, folder: Path) -> bytes:
    """Run a reference solution over the public files in `folder`."""
    data = folder / "data"
    if not data.exists():
        data.symlink_to(folder / "public")
    with inside(folder):
        exec(compile(code, "solution.py", "exec"), {"__name__": "__main__"})
    return (folder / "submission.csv").read_bytes()


@dataclass(frozen=True, kw_only=True)
class Draft:
    """All four answers for one draft, and the files its script wrote."""

    strategy: Strategy
    development: Development
    evaluation: Evaluation
    writing: Writing
    files: Mapping[str, bytes]
    folder: Path
    dossier: Dossier = field(repr=False)

    def code(self, name: str) -> str:
        return next(one.code for one in self.evaluation.solutions if one.name == name)


def make_draft(dossier: Dossier, folder: Path) -> Draft:
    dossier = with_answer("ml-developer", with_answer("data-strategist", dossier))
    development: Any = dossier.answers["ml-developer"]
    dossier = replace(dossier, files=generate(development.script, folder))
    dossier = with_answer("technical-writer", with_answer("mlops-engineer", dossier))
    answers: Any = dossier.answers
    return Draft(
        strategy=answers["data-strategist"],
        development=development,
        evaluation=answers["mlops-engineer"],
        writing=answers["technical-writer"],
        files=dossier.files,
        folder=folder,
        dossier=dossier,
    )


def find_later(
    name: str, task_type: str, wanted: Callable[[dict[str, Any]], bool], difficulty: str = "medium", limit: int = 300
) -> Iterator[Dossier]:
    """The same for seeds that wish for a difficulty, which may be given any family, one of two rules included."""
    family = family_named(name)
    assert family is not None
    for index in range(limit):
        seed = make_seed(family.modality, task_type, classes=2 + index % 3, difficulty=difficulty, only=name)
        dossier = make_dossier(seed, index=index, rng_seed=1000 + index)
        if wanted(json.loads(play(conversation("data-strategist", dossier)))):
            yield dossier


def find_dossiers(
    family: str, task_type: str, wanted: Callable[[dict[str, Any]], bool], limit: int = 1500
) -> Iterator[Dossier]:
    """Dossiers whose strategy is of this family and wanted, in index order."""
    modality = next(one.modality for one in FAMILIES if one.name == family)
    for index in range(limit):
        seed = make_seed(modality, task_type, classes=2 + index % 3)
        dossier = make_dossier(seed, index=index, rng_seed=1000 + index)
        plan = json.loads(play(conversation("data-strategist", dossier)))
        if plan["rule_family"] == family and wanted(plan):
            yield dossier


@pytest.fixture(params=KINDS, ids=[f"{name}-{task_type}" for name, task_type in KINDS])
def kind(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A rule family and a task type."""
    return request.param
