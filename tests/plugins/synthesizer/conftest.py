"""Answers of all four roles for one small task, the things to play them with, and the draft that comes of them."""

import copy
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import pytest_asyncio

from sandmle.core.conformance.llm import ScriptedModel
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.engine.grading import LocalGrader
from sandmle.core.engine.role_budget import RoleBudget
from sandmle.core.engine.settings import SynthesisSettings
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.message import Message, ReplyOptions
from sandmle.core.types.synthesis import Evidence, Seed, TaskDraft
from sandmle.plugins.synthesizer.graph import build_graph
from sandmle.plugins.synthesizer.nodes import DraftContext, DraftState
from sandmle.plugins.synthesizer.roles import DataStrategist, MlDeveloper, MlopsEngineer, TechnicalWriter

ROLES = ("data-strategist", "ml-developer", "mlops-engineer", "technical-writer")

STRATEGY: dict[str, Any] = {
    "title": "Drying time of painted doors",
    "domain": "joinery",
    "scenario": "A workshop plans when a painted door can be packed. One row is one door leaving the booth.",
    "modality": "tabular",
    "task_type": "regression",
    "metric": "rmse",
    "train_rows": 120,
    "public_board_rows": 200,
    "private_board_rows": 1000,
    "columns": [
        {"name": "door_id", "kind": "id", "meaning": "number of the door"},
        {"name": "film", "kind": "number", "meaning": "thickness of the film, micrometres"},
        {"name": "humidity", "kind": "number", "meaning": "relative humidity, percent"},
        {"name": "wood", "kind": "category", "meaning": "kind of wood"},
        {"name": "minutes", "kind": "target", "meaning": "minutes until the film is dry"},
    ],
    "rule_family": "damped-product",
    "hidden_rule": "The target is minutes = 40 + 3*film - 2*humidity + 0.5*film*humidity for every kind of wood.",
    "noise_families": ["gaussian"],
    "noise": "Gaussian noise of standard deviation 1 is added to the target.",
}

SCRIPT = """
import csv, os
import numpy as np
rng = np.random.default_rng(RNG_SEED)
n_train, n_test = 120, 1200
n = n_train + n_test
film, humidity = rng.normal(size=n).round(4), rng.normal(size=n).round(4)
wood = rng.choice(["oak", "pine"], size=n)
clean = 40 + 3 * film - 2 * humidity + 0.5 * film * humidity
minutes = (clean + rng.normal(size=n)).round(4)
ids = rng.permutation(90000)[:n] + 10000
board = np.array(["public"] * 200 + ["private"] * 1000)
rng.shuffle(board)
os.makedirs("public"); os.makedirs("private")
def write(path, header, rows):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\\n")
        writer.writerow(header)
        writer.writerows(rows)
train, test = range(n_train), range(n_train, n)
features = lambda i: [ids[i], film[i], humidity[i], wood[i]]
names = ["door_id", "film", "humidity", "wood"]
write("public/train.csv", names + ["minutes"], [features(i) + [minutes[i]] for i in train])
write("public/test.csv", names, [features(i) for i in test])
write("public/sample_submission.csv", ["door_id", "minutes"], [[ids[i], 0.0] for i in test])
write("private/answers.csv", ["door_id", "minutes", "board"], [[ids[i], minutes[i], board[i - n_train]] for i in test])
write("private/oracle.csv", ["door_id", "minutes"], [[ids[i], clean[i].round(4)] for i in test])
"""

SOLUTION = """
import csv
import numpy as np
rows = list(csv.DictReader(open("data/train.csv")))
test = list(csv.DictReader(open("data/test.csv")))
matrix = lambda some: np.array([[1.0, float(row["film"]), float(row["humidity"])] for row in some])
y = np.array([float(row["minutes"]) for row in rows])
weights = np.linalg.lstsq(matrix(rows), y, rcond=None)[0]
predicted = y.mean() + {shrunk} * (matrix(test) @ weights - y.mean())
with open("submission.csv", "w") as file:
    file.write("door_id,minutes\\n")
    for row, value in zip(test, predicted):
        file.write(f"{{row['door_id']}},{{value:.6f}}\\n")
"""

DESCRIPTION = """
# Drying time of painted doors

A workshop plans when a painted door can be packed. One row is one door. The measurements are noisy.

Files: train.csv, test.csv, sample_submission.csv.

Columns: door_id (number of the door), film (thickness of the film, micrometres), humidity (relative humidity,
percent), wood (kind of wood), minutes (the target: minutes until the film is dry).

Submissions are scored by rmse; lower is better. Write door_id,minutes.
"""


def _answers() -> dict[str, dict[str, Any]]:
    shares = [number / 14 for number in range(14)]
    solutions = [
        {"name": f"shrunk-{number}", "code": SOLUTION.format(shrunk=share)} for number, share in enumerate(shares)
    ]
    evaluation = {
        "metric": "rmse",
        "id_column": "door_id",
        "target_columns": ["minutes"],
        "prediction": "value",
        "classes": [],
        "solutions": solutions,
    }
    return {
        "data-strategist": copy.deepcopy(STRATEGY),
        "ml-developer": {"script": SCRIPT},
        "mlops-engineer": evaluation,
        "technical-writer": {"description": DESCRIPTION},
    }


@pytest.fixture
def answers() -> dict[str, dict[str, Any]]:
    """Role name to an answer that passes; a test changes what it is about."""
    return _answers()


@pytest.fixture(scope="session")
def seed() -> Seed:
    return Seed(
        seed_id="doors",
        title="Doors",
        modality="tabular",
        task_type="regression",
        metric="rmse",
        dna={"rows": 300, "columns": 4},
        source="by hand",
    )


def _role_asked(messages: Sequence[Message]) -> str:
    prompt = next(message.content for message in messages if message.role == "user")
    found = re.match(r"# Role: ([a-z-]+)\n", prompt)
    assert found, prompt[:80]
    return found[1]


@dataclass
class Stage:
    """Plays the graph with a scripted model, a real sandbox and a real grader."""

    sandbox: Sandbox
    grader: LocalGrader
    settings: SynthesisSettings = field(default_factory=SynthesisSettings)

    def context(self, model: ScriptedModel, **changes: Any) -> DraftContext:
        async def nothing_accepted() -> tuple[Any, ...]:
            return ()

        roles = (DataStrategist(), MlDeveloper(), MlopsEngineer(), TechnicalWriter())
        context = DraftContext(
            roles={role.name: role for role in roles},
            models=dict.fromkeys(ROLES, model),
            sandbox=self.sandbox,
            grader=self.grader,
            settings=self.settings,
            corpus_rng_seed=7,
            judge=load_plugins(builtins=["sandmle.plugins.synthesizer.plugin"]).check_task,
            accepted_before=nothing_accepted,
            budget=RoleBudget(),
        )
        return replace(context, **changes)

    async def play(self, model: ScriptedModel, dossier: Any, **changes: Any) -> DraftState:
        context = self.context(model, **changes)
        state = await build_graph(tuple(context.roles)).ainvoke({"dossier": dossier}, context=context)
        return DraftState(**state)


@pytest.fixture(scope="session")
def scripted() -> Callable[[Mapping[str, Any]], ScriptedModel]:
    """A model that gives each role its answers in turn: an object, a text, or a list of such; the last repeats."""

    def make(answers: Mapping[str, Any]) -> ScriptedModel:
        given: dict[str, int] = {}

        def say(messages: Sequence[Message], options: ReplyOptions) -> str:
            role = _role_asked(messages)
            script = answers[role] if isinstance(answers[role], list) else [answers[role]]
            number = given.get(role, 0)
            given[role] = number + 1
            said = script[min(number, len(script) - 1)]
            return said if isinstance(said, str) else json.dumps(said)

        return ScriptedModel(say)

    return make


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    plugins = load_plugins(builtins=["sandmle.plugins.sandboxes.plugin"])
    sandbox: Sandbox = plugins.registry.make(Kind.SANDBOX, "process")
    grader = LocalGrader()
    try:
        await sandbox.start()
        yield Stage(sandbox, grader)
    finally:
        await grader.close()
        await sandbox.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def accepted(stage: Stage, seed: Seed, scripted: Callable[..., ScriptedModel]) -> tuple[TaskDraft, Evidence]:
    """A draft that passes every check, with what was measured of it."""
    from sandmle.core.contracts.synthesis import Dossier

    state = await stage.play(scripted(_answers()), Dossier(seed=seed, index=0, rng_seed=11))
    assert "problem" not in state, state.get("problem")
    return state["task"], state["measured"].evidence
