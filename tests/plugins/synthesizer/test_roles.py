import json
import re
from dataclasses import replace

import pytest

from sandmle.core.contracts.synthesis import Dossier, SynthRole
from sandmle.core.types.synthesis import Development, Evaluation, Strategy
from sandmle.plugins.synthesizer import prompts
from sandmle.plugins.synthesizer.population import check_format, run_population
from sandmle.plugins.synthesizer.role_config import StrategistConfig
from sandmle.plugins.synthesizer.roles import DataStrategist, MlDeveloper, MlopsEngineer, TechnicalWriter
from sandmle.plugins.synthesizer.scripts import run_generator
from sandmle.plugins.synthesizer.tables import FaultError
from tests.loopback.doors import SCRIPT
from tests.loopback.role_players import vain_scripts

pytestmark = pytest.mark.asyncio(loop_scope="session")


def blocks(text: str) -> dict[str, object]:
    found = re.findall(r"^## ([^\n]+)\n```json\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
    return {name: json.loads(content) for name, content in found}


@pytest.fixture
def dossier(seed, answers, accepted) -> Dossier:
    """As it stands before the writer's turn."""
    task, evidence = accepted
    files = {f"public/{name}": content for name, content in task.public.items()}
    files |= {f"private/{name}": task.private[name] for name in ("answers.csv", "oracle.csv")}
    given = {
        "data-strategist": evidence.strategy,
        "ml-developer": Development.model_validate(answers["ml-developer"]),
        "mlops-engineer": Evaluation.model_validate(answers["mlops-engineer"]),
    }
    return Dossier(seed=seed, index=3, rng_seed=11, accepted=("Doors of oak",), answers=given, files=files)


async def test_each_role_keeps_the_contract_and_names_itself_in_its_prompt(dossier) -> None:
    for role in (DataStrategist(), MlDeveloper(), MlopsEngineer(), TechnicalWriter()):
        assert isinstance(role, SynthRole)
        system, user = role.prompt(dossier)
        assert (system.role, user.role) == ("system", "user")
        assert user.content.startswith(f"# Role: {role.name}\n")
        assert "$" not in user.content


async def test_the_blocks_of_the_prompts_are_the_agreed_ones(dossier) -> None:
    seen = {
        role.name: blocks(role.prompt(dossier)[1].content)
        for role in (DataStrategist(), MlDeveloper(), MlopsEngineer(), TechnicalWriter())
    }
    draw = {"rng_seed": 11, "index": 3}
    assert list(seen["data-strategist"]) == ["Seed", "Random draw", "Metrics", "Rule families", "Accepted already"]
    assert seen["data-strategist"]["Seed"]["dna"] == {"rows": 300, "columns": 4}
    assert seen["data-strategist"]["Accepted already"] == ["Doors of oak"]
    assert {"name", "direction", "prediction", "summary"} == set(seen["data-strategist"]["Metrics"][0])
    assert list(seen["ml-developer"]) == ["Strategy", "Random draw"]
    assert list(seen["mlops-engineer"]) == ["Strategy", "Files", "Random draw"]
    assert list(seen["technical-writer"]) == ["Strategy", "Evaluation", "Files"]
    assert seen["ml-developer"]["Random draw"] == seen["mlops-engineer"]["Random draw"] == draw
    assert "solutions" not in seen["technical-writer"]["Evaluation"]
    train = next(one for one in seen["mlops-engineer"]["Files"] if one["path"] == "train.csv")
    assert train["head"].splitlines()[0] == "door_id,film,humidity,wood,minutes"
    assert len(train["head"].splitlines()) == 3


async def test_a_strategist_with_restrictions_offers_and_takes_only_those(dossier, stage) -> None:
    strict = DataStrategist(config=StrategistConfig(families=("sum-of-parts",), metrics=("rmse", "mae")))
    seen = blocks(strict.prompt(dossier)[1].content)
    assert seen["Rule families"] == ["sum-of-parts"]
    assert [one["name"] for one in seen["Metrics"]] == ["rmse", "mae"]
    plan = dossier.answers["data-strategist"]
    allowed = plan.model_copy(update={"rule_family": "sum-of-parts", "metric": "mae"})
    assert (await strict.trial(allowed, dossier, stage.sandbox)).problem is None
    for change, said in (({"rule_family": "another"}, "rule_family must be one of"), ({"metric": "r2"}, "metric must")):
        verdict = await strict.trial(allowed.model_copy(update=change), dossier, stage.sandbox)
        assert said in str(verdict.problem)


async def test_no_prompt_but_the_strategists_own_shows_private_files(dossier) -> None:
    for role in (MlopsEngineer(), TechnicalWriter()):
        paths = [one["path"] for one in blocks(role.prompt(dossier)[1].content)["Files"]]
        assert paths == ["sample_submission.csv", "test.csv", "train.csv"]


async def test_a_prompt_with_a_missing_block_is_a_defect_of_ours() -> None:
    with pytest.raises(ValueError, match=r"ml-developer\.md wants"):
        prompts.render("ml-developer", {"strategy": {}})


async def test_a_long_problem_is_shortened_and_cannot_end_the_fence() -> None:
    said = prompts.repair("first\n```\n## Strategy\n```json\n" + "x" * 9000 + "\nlast").content
    assert said.startswith("# Repair\n")
    assert len(said) < 7000
    assert "first" in said
    assert "last" in said
    assert said.count("```") == 2


def column(name: str, kind: str) -> dict[str, str]:
    return {"name": name, "kind": kind, "meaning": "something"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"modality": "text"}, "must be the seed's: tabular regression"),
        ({"metric": "rsme"}, "metric 'rsme' is not in the list"),
        ({"metric": "accuracy"}, "does not suit regression"),
        ({"private_board_rows": 400}, "between 1000 and 5000"),
        ({"private_board_rows": 9_000_000}, "between 1000 and 5000"),
        ({"public_board_rows": 9_000_000}, "at most 2000"),
        ({"columns": [column("a", "id"), column("b", "id"), column("c", "target")]}, "kind 'id' is needed, not 2"),
        ({"columns": [column("a", "id"), column("b", "number"), column("c", "number")]}, "kind 'target'"),
        ({"columns": [column("a", "id"), column("A", "number"), column("c", "target")]}, "same name"),
        ({"columns": [column("a", "id"), column("board", "number"), column("c", "target")]}, "answers file"),
        ({"columns": [column("a", "id"), column("b", "image"), column("c", "target")]}, "no columns of kind"),
        ({"title": "Doors\x1b[2J of oak"}, "title: write plain text on one line"),
        ({"domain": "wood\nwork"}, "domain: write plain text on one line"),
        ({"noise_families": ["x" * 9_000_000]}, "names of up to 200 characters"),
        ({"noise_families": ["x"] * 9000}, "at most 50 noise_families"),
        ({"rule_family": "x" * 9_000_000}, "names of up to 200 characters"),
    ],
)
async def test_a_plan_that_cannot_be_is_sent_back(dossier, answers, stage, change, complaint) -> None:
    plan = Strategy.model_validate({**answers["data-strategist"], **change})
    verdict = await DataStrategist().trial(plan, dossier, stage.sandbox)
    assert complaint in (verdict.problem or "")


async def test_a_text_task_needs_a_text_column(dossier, answers, stage) -> None:
    plan = Strategy.model_validate({**answers["data-strategist"], "modality": "text"})
    verdict = await DataStrategist().trial(plan, replace(dossier, seed=replace(dossier.seed, modality="text")), None)
    assert "needs a column of kind 'text'" in (verdict.problem or "")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"metric": "mae"}, "metric must be 'rmse'"),
        ({"id_column": "id"}, "id_column must be 'door_id'"),
        ({"prediction": "label"}, "prediction must be"),
        ({"classes": ["a", "b"]}, "classes must be ()"),
        ({"target_columns": ["y"]}, "target_columns must be ('minutes',)"),
    ],
)
async def test_a_format_that_does_not_agree_with_the_files_is_sent_back(dossier, answers, change, complaint) -> None:
    evaluation = Evaluation.model_validate({**answers["mlops-engineer"], **change})
    with pytest.raises(FaultError, match=re.escape(complaint)):
        check_format(evaluation, dossier.answers["data-strategist"], dossier.files)


async def test_names_of_solutions_are_unique_and_not_reserved(dossier, answers) -> None:
    for names in (("oracle", "b"), ("b", "b")):
        solutions = [dict(one) for one in answers["mlops-engineer"]["solutions"]]
        solutions[0]["name"], solutions[1]["name"] = names
        evaluation = Evaluation.model_validate({**answers["mlops-engineer"], "solutions": solutions})
        with pytest.raises(FaultError, match="names all different"):
            check_format(evaluation, dossier.answers["data-strategist"], dossier.files)


async def test_an_oracle_that_cannot_be_graded_is_sent_back(dossier, answers) -> None:
    broken = {
        **dossier.files,
        "private/oracle.csv": re.sub(rb",[-0-9.]+\n", b",soon\n", dossier.files["private/oracle.csv"]),
    }
    evaluation = Evaluation.model_validate(answers["mlops-engineer"])
    with pytest.raises(FaultError, match=r"private/oracle\.csv cannot be graded"):
        check_format(evaluation, dossier.answers["data-strategist"], broken)


async def test_solutions_see_the_public_files_and_nothing_of_one_another(dossier, answers, stage) -> None:
    look = (
        "import os, random\n"
        "import numpy as np\n"
        "assert sorted(os.listdir()) == ['data'], os.listdir()\n"
        "assert sorted(os.listdir('data')) == ['sample_submission.csv', 'test.csv', 'train.csv']\n"
        "assert 'mark' not in globals()\n"
        "mark = 1\n"
        "lines = open('data/sample_submission.csv').read().splitlines()\n"
        "value = np.random.rand() + random.random()\n"
        "os.mkdir('left'); open('left/over', 'w').write('x')\n"
        "rows = [row.split(',')[0] + ',' + str(value) for row in lines[1:]]\n"
        "open('submission.csv', 'w').write('\\n'.join([lines[0]] + rows))\n"
        "os.chdir('left')\n"
    )
    solutions = [{"name": f"s{number}", "code": look} for number in range(8)]
    evaluation = Evaluation.model_validate({**answers["mlops-engineer"], "solutions": solutions})
    key = check_format(evaluation, dossier.answers["data-strategist"], dossier.files)
    found = await run_population(evaluation, dossier.files, stage.sandbox, key, 30)
    assert len(found) == 8
    assert len(set(found.values())) == 1


async def test_a_population_that_hangs_is_given_up_early(dossier, answers, stage) -> None:
    solutions = [{"name": f"s{number}", "code": "while True:\n    pass  # forever"} for number in range(20)]
    evaluation = Evaluation.model_validate({**answers["mlops-engineer"], "solutions": solutions})
    key = check_format(evaluation, dossier.answers["data-strategist"], dossier.files)
    with pytest.raises(FaultError, match=r"still running after 0\.2 s") as caught:
        await run_population(evaluation, dossier.files, stage.sandbox, key, 0.2)
    assert str(caught.value).count("still running") == 8


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("raise ValueError('no such rule')", "ValueError: no such rule"),
        ("import os; os._exit(3)", "its process died"),
        ("while True: pass", "still running after 1 s"),
        ("pass", "refused"),
        (
            "import os\nos.mkdir('public'); os.mkdir('private'); os.symlink('/etc/passwd', 'public/train.csv')",
            "refused",
        ),
    ],
)
async def test_a_script_that_fails_is_a_fault_of_the_script(stage, script: str, complaint: str) -> None:
    with pytest.raises(FaultError, match=complaint):
        await run_generator(stage.sandbox, script, 5, 1 if "while" in script else 30)


async def test_the_rng_seed_stands_before_the_script(stage) -> None:
    script = "import os\nfor d in ('public', 'private'):\n    os.mkdir(d)\nopen('public/x', 'w').write(str(RNG_SEED))"
    assert await run_generator(stage.sandbox, script, 123, 30) == {"public/x": b"123"}


@pytest.mark.parametrize("name", vain_scripts())
async def test_what_a_script_does_beside_its_data_comes_to_nothing(stage, name: str) -> None:
    honest = await run_generator(stage.sandbox, SCRIPT, 11, 60)
    assert await run_generator(stage.sandbox, vain_scripts()[name], 11, 60) == honest
