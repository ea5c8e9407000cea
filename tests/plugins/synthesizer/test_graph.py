from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel

from sandmle.core.contracts.synthesis import Dossier, RoleVerdict
from sandmle.core.engine.settings import SynthesisSettings
from sandmle.core.errors import PluginError, ProviderError
from sandmle.core.types.message import Message, ModelReply
from sandmle.core.types.synthesis import TaskProblem
from sandmle.plugins.synthesizer.checks import CHECKS
from sandmle.plugins.synthesizer.graph import build_graph
from sandmle.plugins.synthesizer.prompts import fingerprint

ROLES = ("data-strategist", "ml-developer", "mlops-engineer", "technical-writer")
PICTURE = Path(__file__).parents[3] / "docs" / "graphs" / "synthesizer.mmd"

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def dossier(seed):
    return Dossier(seed=seed, index=0, rng_seed=11)


async def test_the_picture_in_the_documentation_is_the_graph() -> None:
    assert build_graph(ROLES).get_graph().draw_mermaid() == PICTURE.read_text("utf-8")


async def test_a_role_of_a_plugin_takes_its_place_in_the_order() -> None:
    picture = build_graph((*ROLES[:2], "privacy-officer", *ROLES[2:])).get_graph()
    ways = {(edge.source, edge.target) for edge in picture.edges}
    assert {("ml-developer", "privacy-officer"), ("privacy-officer", "mlops-engineer")} <= ways
    assert ("ml-developer", "mlops-engineer") not in ways


class Comment(BaseModel):
    risk: int


@dataclass(frozen=True)
class PrivacyOfficer:
    """A role that a plugin could bring."""

    name: str = "privacy-officer"
    answer_type: type[BaseModel] = Comment

    def prompt(self, dossier):
        columns = [column.name for column in dossier.answers["data-strategist"].columns]
        return [Message(role="user", content=f"# Role: privacy-officer\n{columns}")]

    async def trial(self, answer, dossier, sandbox):
        return RoleVerdict(problem="too risky" if answer.risk > 5 else None)


async def test_what_a_plugins_role_said_reaches_the_checks(stage, scripted, answers, dossier) -> None:
    built_in = stage.context(scripted({})).roles
    names = (*ROLES[:2], "privacy-officer", *ROLES[2:])
    roles = {name: built_in.get(name, PrivacyOfficer()) for name in names}
    model = scripted({**answers, "privacy-officer": [{"risk": 9}, {"risk": 2}]})
    seen = []

    def check(task, evidence):
        seen.append(evidence.extra["privacy-officer"])
        return [TaskProblem(check="privacy", message="still too risky")]

    state = await stage.play(model, dossier, roles=roles, models=dict.fromkeys(names, model), judge=check)
    assert state["tries"]["privacy-officer"] == 2
    assert seen == [Comment(risk=2)]
    assert state["problem"].check == "privacy"


@pytest.mark.parametrize("method", ["prompt", "trial"])
async def test_what_a_plugins_role_raises_is_that_roles_failure(stage, scripted, answers, dossier, method) -> None:
    class Broken(PrivacyOfficer):
        def prompt(self, dossier):
            return 1 / 0 if method == "prompt" else super().prompt(dossier)

        async def trial(self, answer, dossier, sandbox):
            return 1 / 0 if method == "trial" else await super().trial(answer, dossier, sandbox)

    built_in = stage.context(scripted({})).roles
    names = (*ROLES[:2], "privacy-officer", *ROLES[2:])
    roles = {name: built_in.get(name, Broken()) for name in names}
    model = scripted({**answers, "privacy-officer": [{"risk": 2}]})
    with pytest.raises(PluginError, match=rf"role 'privacy-officer' failed in its {method}\(\).*division by zero"):
        await stage.play(model, dossier, roles=roles, models=dict.fromkeys(names, model))


async def test_four_good_answers_make_a_task(accepted) -> None:
    task, evidence = accepted
    spec = task.spec
    assert spec.metric.name == "rmse"
    assert spec.rows.private_board == 1000
    assert spec.solutions[0].name == "oracle"
    assert len(spec.solutions) == 15
    assert spec.thresholds.gold < spec.thresholds.silver < spec.thresholds.bronze < spec.thresholds.median
    assert set(spec.provenance.prompt_sha256) == set(ROLES)
    assert task.private["generate.py"].startswith(b"RNG_SEED = 11\n")
    assert {f"solutions/shrunk-{number}.py" for number in range(14)} <= set(task.private)
    assert evidence.scores["oracle"] < evidence.scores["shrunk-13"] < evidence.scores["constant"]


async def test_an_unreadable_answer_goes_back_with_the_complaint(stage, scripted, answers, dossier) -> None:
    good = answers["data-strategist"]
    model = scripted({**answers, "data-strategist": ["I would rather \ud800 not.", {**good, "train_rows": 30}, good]})
    state = await stage.play(model, dossier)
    assert "problem" not in state
    assert state["tries"] == {"data-strategist": 3, "ml-developer": 1, "mlops-engineer": 1, "technical-writer": 1}
    repaired = model.asked[2]
    assert [message.role for message in repaired.messages] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    assert repaired.messages[2].content == "I would rather ? not."
    assert "no JSON object" in repaired.messages[3].content
    assert repaired.messages[3].content.startswith("# Repair\n")
    assert "train_rows: Input should be greater than or equal to 50" in repaired.messages[5].content
    assert [asked.options.sample_index for asked in model.asked[:3]] == [0, 1, 2]
    assert state["prompt_sha256"]["data-strategist"] == fingerprint(repaired.messages)


async def test_the_error_of_a_failing_script_goes_back_to_its_role(stage, scripted, answers, dossier) -> None:
    broken = {"script": "# a generator that does not know its own columns\n" * 5 + "raise KeyError('humidty')"}
    model = scripted({**answers, "ml-developer": [broken, answers["ml-developer"]]})
    state = await stage.play(model, dossier)
    assert "problem" not in state
    assert "KeyError: 'humidty'" in model.asked[2].messages[-1].content


async def test_every_failing_solution_is_named_to_its_role(stage, scripted, answers, dossier) -> None:
    evaluation = answers["mlops-engineer"]
    broken = {**evaluation, "solutions": [dict(one) for one in evaluation["solutions"]]}
    broken["solutions"][2]["code"] = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    broken["solutions"][5]["code"] = "open('submission.csv', 'w').write('door_id,minutes\\n1,2\\n')"
    broken["solutions"][9]["code"] = "print('I forgot to write a file')"
    model = scripted({**answers, "mlops-engineer": [broken, evaluation]})
    state = await stage.play(model, dossier)
    assert "problem" not in state
    said = model.asked[3].messages[-1].content
    assert "solution 'shrunk-2': its process died" in said
    assert "solution 'shrunk-5': submission.csv cannot be graded" in said
    assert "solution 'shrunk-9': submission.csv was refused" in said
    assert "shrunk-3" not in said


async def test_a_role_that_never_gets_it_right_rejects_the_draft_under_its_name(
    stage, scripted, answers, dossier
) -> None:
    telling = {"description": answers["technical-writer"]["description"].replace("wood (kind of wood), ", "")}
    state = await stage.play(scripted({**answers, "technical-writer": telling}), dossier)
    assert state["problem"] == TaskProblem(check="role:technical-writer", message="column 'wood' is not named")
    assert state["tries"]["technical-writer"] == 3
    assert "task" not in state


async def test_the_number_of_tries_is_a_setting(stage, scripted, answers, dossier) -> None:
    settings = SynthesisSettings(tries=1)
    model = scripted({**answers, "data-strategist": "no"})
    state = await stage.play(model, dossier, settings=settings)
    assert state["problem"].check == "role:data-strategist"
    assert len(model.asked) == 1


async def test_a_reply_cut_at_the_token_limit_is_said_to_be(stage, scripted, answers, dossier) -> None:
    model = scripted(answers)
    model._answer = lambda messages, options: ModelReply(text='{"title": "Dry', finish_reason="length")
    state = await stage.play(model, dossier, settings=SynthesisSettings(tries=1))
    assert "cut at the token limit" in state["problem"].message


async def test_a_provider_that_fails_is_no_rejection(stage, scripted, answers, dossier) -> None:
    model = scripted(answers)
    model._answer = None
    with pytest.raises(ProviderError):
        await stage.play(model, dossier)


async def test_all_checks_are_asked_beside_the_tasks_of_earlier_drafts(
    stage, scripted, answers, dossier, accepted
) -> None:
    async def before():
        return (accepted[0].spec,)

    state = await stage.play(scripted(answers), dossier, accepted_before=before)
    assert state["problem"].check == "near-duplicate"
    assert list(CHECKS)[-1] == "near-duplicate"


async def test_a_generator_that_is_not_deterministic_is_found_out(stage, scripted, answers, dossier) -> None:
    script = answers["ml-developer"]["script"].replace("default_rng(RNG_SEED)", "default_rng()")
    state = await stage.play(scripted({**answers, "ml-developer": {"script": script}}), dossier)
    assert state["problem"].check == "deterministic-generator"
