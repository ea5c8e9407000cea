"""A rule family of a plugin reaches the player through the prompt alone, and its drafts are drafts like all others."""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from sandmle.core.contracts.synthesis import Dossier
from sandmle.core.errors import PluginError
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.synthesis import Strategy
from sandmle.plugins.llms.offline.roles.player import play
from sandmle.plugins.synthesizer.files import check_files
from sandmle.plugins.synthesizer.population import check_format
from sandmle.plugins.synthesizer.role_config import StrategistConfig
from sandmle.plugins.synthesizer.roles import DataStrategist, check_plan
from sandmle.plugins.synthesizer.wording import check_description

from .conftest import Draft, generate, make_dossier, make_seed, solve, with_answer
from .test_drafts import private_score

CONFIG = StrategistConfig(families=("frost-nights",))


def frost() -> Any:
    """The family that a new package of the kind `rule` begins with."""
    text = files("sandmle.plugins.authoring").joinpath("templates/rule/src/__MODULE__/rule.py.txt").read_text("utf-8")
    held: dict[str, Any] = {}
    exec(text.replace("__NAME__", "frost-nights").replace("__CLASS__", "Frost"), held)
    return held["Frost"]()


def dossier(task_type: str, index: int = 0, **dna: str) -> Dossier:
    made = make_dossier(make_seed("tabular", task_type, **dna), index=index, rng_seed=50 + index)
    return replace(made, rules=(frost(),))


def planned(one: Dossier, config: StrategistConfig = CONFIG) -> Strategy:
    return Strategy.model_validate_json(play(DataStrategist(config=config).prompt(one)))


def drafted(one: Dossier, folder: Path) -> Draft:
    one = with_answer("ml-developer", replace(one, answers={"data-strategist": planned(one)}))
    made: Any = one.answers
    one = replace(one, files=generate(made["ml-developer"].script, folder))
    one = with_answer("technical-writer", with_answer("mlops-engineer", one))
    answers: Any = one.answers
    return Draft(
        strategy=answers["data-strategist"],
        development=answers["ml-developer"],
        evaluation=answers["mlops-engineer"],
        writing=answers["technical-writer"],
        files=one.files,
        folder=folder,
        dossier=one,
    )


@pytest.mark.parametrize(
    ("task_type", "dna"), [("classification", {}), ("regression", {"difficulty": "hard"}), ("ranking", {})]
)
def test_a_draft_of_a_family_of_a_plugin_is_sound_and_its_rule_pays(
    task_type: str, dna: dict[str, str], tmp_path: Path
) -> None:
    draft = drafted(dossier(task_type, **dna), tmp_path)
    assert draft.strategy.rule_family == "frost-nights"
    assert draft.strategy.title.startswith(("Frost damage in ", "Order of frost nights"))
    check_plan(draft.strategy, draft.dossier, CONFIG)
    check_files(draft.files, draft.strategy)
    check_format(draft.evaluation, draft.strategy, draft.files)
    assert check_description(draft.writing.description, draft.strategy) == []
    better = METRICS[draft.strategy.metric].direction.better
    sample = private_score(draft, draft.files["public/sample_submission.csv"])
    assert better(private_score(draft, draft.files["private/oracle.csv"]), sample)
    assert better(private_score(draft, solve(draft.code("rule-clean"), draft.folder)), sample)
    assert better(private_score(draft, solve(draft.code("half-rule-clean"), draft.folder)), sample)


def test_two_draws_are_two_rules_and_the_same_draw_is_the_same() -> None:
    rules = [planned(dossier("regression", index)).hidden_rule for index in (1, 2, 1)]
    assert rules[0] != rules[1]
    assert rules[0] == rules[2]


def test_titles_differ_so_that_a_corpus_takes_more_than_one_task_of_a_family() -> None:
    assert len({planned(dossier("regression", index)).title for index in range(12)}) >= 4


def test_it_plays_only_where_it_is_named_and_beside_others_that_are() -> None:
    assert planned(dossier("regression"), StrategistConfig()).rule_family != "frost-nights"
    both = StrategistConfig(families=("frost-nights", "ring-distance"))
    found = {planned(dossier("regression", index), both).rule_family for index in range(12)}
    assert found == {"frost-nights", "ring-distance"}


def test_seeds_of_texts_are_told_nothing_of_it() -> None:
    made = replace(make_dossier(make_seed("text", "classification")), rules=(frost(),))
    (_, asked) = DataStrategist(config=CONFIG).prompt(made)
    assert "frost" not in asked.content


def test_a_family_that_fails_to_draw_is_named() -> None:
    class Broken:
        name, task_types = "frost-nights", ("regression",)

        def draw(self, rng: Any) -> Any:
            raise ZeroDivisionError("no nights")

    made = replace(make_dossier(make_seed("tabular", "regression")), rules=(Broken(),))
    with pytest.raises(PluginError, match=r"'frost-nights' failed in its draw\(\).*no nights"):
        DataStrategist(config=CONFIG).prompt(made)


@pytest.mark.parametrize("damage", [{"script": 3}, {"columns": "no"}, {"target": ["one"]}, {"classes": []}])
def test_a_damaged_entry_gets_a_sentence_and_no_traceback(damage: dict[str, Any]) -> None:
    one = dossier("classification")
    system, asked = DataStrategist(config=CONFIG).prompt(one)
    head, _, tail = asked.content.partition("## Rule families\n```json\n")
    entry = json.loads(tail.partition("\n```")[0])
    entry[0] |= damage
    text = f"{head}## Rule families\n```json\n{json.dumps(entry)}\n```\n"
    assert isinstance(play([system, replace(asked, content=text)]), str)
