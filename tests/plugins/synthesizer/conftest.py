"""Answers of all four roles for one small task, the things to play them with, and the draft that comes of them."""

import json
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
from tests.loopback.doors import ROLES, answers_of, role_asked


@pytest.fixture
def answers() -> dict[str, dict[str, Any]]:
    """Role name to an answer that passes; a test changes what it is about."""
    return answers_of(0)


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
            role = role_asked(messages)
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

    state = await stage.play(scripted(answers_of(0)), Dossier(seed=seed, index=0, rng_seed=11))
    assert "problem" not in state, state.get("problem")
    return state["task"], state["measured"].evidence
