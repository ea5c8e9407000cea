"""The player as a function from text to text."""

import builtins
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from sandmle.core.engine.mixes import MIXES
from sandmle.core.types.message import Message
from sandmle.core.types.task import KnownModality, TaskType
from sandmle.plugins.llms.offline.roles.domain_services import SECTORS
from sandmle.plugins.llms.offline.roles.domain_stories import STORIES
from sandmle.plugins.llms.offline.roles.families.catalogue import FAMILIES
from sandmle.plugins.llms.offline.roles.noise import NOISES
from sandmle.plugins.llms.offline.roles.player import ROLES, play
from sandmle.plugins.llms.offline.roles.strategist import ALL_DOMAINS, DOMAINS
from sandmle.plugins.synthesizer import prompts
from sandmle.plugins.synthesizer.role_config import StrategistConfig
from sandmle.plugins.synthesizer.roles import DataStrategist

from .conftest import answer, conversation, find_dossiers, generate, make_dossier, make_seed, with_answer

SEED = make_seed("tabular", "classification")


def plan(seed: Any = SEED, **draw: Any) -> dict[str, Any]:
    return json.loads(play(conversation("data-strategist", make_dossier(seed, **draw))))


def dossier_with(role: str, **draw: Any) -> Any:
    """A dossier in which every role before `role` has answered."""
    dossier = make_dossier(SEED, **draw)
    for earlier in list(ROLES)[: list(ROLES).index(role)]:
        dossier = with_answer(earlier, dossier)
    return dossier


def repaired(role: str, dossier: Any, *problems: str) -> str:
    messages = conversation(role, dossier)
    for problem in problems:
        messages = [*messages, Message(role="assistant", content=play(messages)), prompts.repair(problem)]
    return play(messages)


def test_the_strategist_keeps_to_the_rule_families_it_is_offered() -> None:
    allowed = ("ring-distance", "code-parts")
    config = StrategistConfig(families=allowed)
    for index in range(6):
        messages = DataStrategist(config=config).prompt(make_dossier(SEED, index=index, rng_seed=index))
        assert json.loads(play(messages))["rule_family"] in allowed
    text = make_dossier(make_seed("text", "classification"))
    assert play(DataStrategist(config=config).prompt(text)).startswith("No rule family is known")


@pytest.mark.parametrize("role", list(ROLES))
def test_every_role_answers_in_its_own_type_and_says_the_same_twice(role: str) -> None:
    dossier = dossier_with(role)
    assert answer(role, dossier)
    assert play(conversation(role, dossier)) == play(conversation(role, dossier))


@pytest.mark.parametrize("role", list(ROLES))
def test_swapping_two_prompts_swaps_the_answers_whatever_was_asked_between(role: str) -> None:
    first, second = (conversation(role, dossier_with(role, index=index, rng_seed=index + 5)) for index in (0, 1))
    one, other = play(first), play(second)
    assert (play(second), play(first)) == (other, one)
    assert one != other


def test_it_opens_no_file_and_needs_nothing_but_the_standard_library(monkeypatch: pytest.MonkeyPatch) -> None:
    dossier = dossier_with("mlops-engineer")
    messages = conversation("mlops-engineer", dossier)
    expected = play(messages)

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr(builtins, "open", refuse)
    monkeypatch.setattr(io, "open", refuse)
    assert play(messages) == expected


def test_importing_the_player_loads_nothing_heavy() -> None:
    code = (
        "import sys; import sandmle.plugins.llms.offline.roles.player; "
        "print([name for name in ('numpy', 'pandas', 'sklearn', 'litellm', 'langgraph') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_it_knows_enough_families_noises_and_domains() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES) >= 40
    # Rows of several parts are made of two families each.
    assert {family.modality for family in FAMILIES} == {*get_args(KnownModality)} - {"multimodal"}
    assert {task_type for family in FAMILIES for task_type in family.task_types} == {*get_args(TaskType)} - {"ranking"}
    assert len({noise.name for noise in NOISES}) == len(NOISES) >= 24
    assert len({domain.name for domain in ALL_DOMAINS}) == len(ALL_DOMAINS) > len(DOMAINS) >= 12


def test_every_domain_is_of_a_sector_that_mixes_count_and_every_sector_has_one() -> None:
    assert {SECTORS[domain.name] for domain in ALL_DOMAINS} == set(MIXES["paper"].sectors)


def test_every_domain_has_a_story_and_only_seeds_that_wish_for_a_difficulty_are_told_it() -> None:
    assert {*STORIES} == {domain.name for domain in ALL_DOMAINS}
    told, plain = plan(make_seed("tabular", "classification", difficulty="hard")), plan()
    assert STORIES[told["domain"]].background in told["scenario"]
    assert STORIES[plain["domain"]].background not in plain["scenario"]


@pytest.mark.parametrize(
    ("modality", "task_type", "word"),
    [
        ("graph", "regression", "a link means that"),
        ("audio", "multilabel", "a recording of"),
        ("series", "classification", "a file of readings"),
        ("series", "forecasting", "what was read of it so far"),
        ("multimodal", "ranking", "in order by `priority`"),
        ("image", "reconstruction", "`grey_9`"),
    ],
)
def test_seeds_of_kinds_that_came_later_need_not_wish_for_a_difficulty(
    modality: str, task_type: str, word: str
) -> None:
    made = plan(make_seed(modality, task_type))
    assert (made["modality"], made["task_type"]) == (modality, task_type)
    assert word in made["scenario"]


def test_every_family_can_be_drawn(kind: tuple[str, str]) -> None:
    assert next(find_dossiers(*kind, lambda found: True))


def test_row_counts_vary_within_what_is_allowed() -> None:
    plans = [plan(index=index, rng_seed=index) for index in range(40)]
    train = {one["train_rows"] for one in plans}
    assert len(train) > 5
    assert all(50 <= rows <= 200 for rows in train)
    assert all(one["public_board_rows"] >= 200 and one["private_board_rows"] >= 1000 for one in plans)


def test_no_accepted_title_is_used_again() -> None:
    first = plan()["title"]
    again = plan(accepted=(first,))["title"]
    every = tuple(plan(index=index, rng_seed=index)["title"] for index in range(60))
    assert again != first
    assert plan(accepted=every)["title"] not in every


def test_the_rule_passes_through_the_strategy_alone() -> None:
    dossier = dossier_with("ml-developer")
    strategy = dossier.answers["data-strategist"]
    cut = strategy.model_copy(update={"hidden_rule": "The target follows from the columns somehow."})
    said = play(conversation("ml-developer", replace(dossier, answers={"data-strategist": cut})))
    assert "hidden_rule" in said
    assert not said.startswith("{")


def test_a_strategy_with_damaged_parameters_gets_a_sentence() -> None:
    dossier = dossier_with("ml-developer")
    strategy = dossier.answers["data-strategist"]
    damaged = strategy.model_copy(update={"hidden_rule": strategy.hidden_rule.replace('"main"', '"mian"')})
    said = play(conversation("ml-developer", replace(dossier, answers={"data-strategist": damaged})))
    assert "'main'" in said
    assert not said.startswith("{")


def test_a_title_with_quotes_still_gives_a_script(tmp_path: Path) -> None:
    dossier = dossier_with("ml-developer")
    odd = dossier.answers["data-strategist"].model_copy(update={"title": 'The "best" \\ """title"""'})
    said = json.loads(play(conversation("ml-developer", replace(dossier, answers={"data-strategist": odd}))))
    assert "public/train.csv" in generate(said["script"], tmp_path)


def test_a_changed_parameter_changes_the_script() -> None:
    dossier = dossier_with("ml-developer")
    strategy = dossier.answers["data-strategist"]
    changed = strategy.model_copy(update={"noise": strategy.noise.replace('"share":0', '"share":0.0')})
    assert changed.noise != strategy.noise
    said = [
        play(conversation("ml-developer", replace(dossier, answers={"data-strategist": one})))
        for one in (strategy, changed)
    ]
    assert said[0] != said[1]


def test_a_repaired_engineer_leaves_out_the_solutions_that_failed() -> None:
    dossier = dossier_with("mlops-engineer")
    named = [one["name"] for one in json.loads(play(conversation("mlops-engineer", dossier)))["solutions"]]
    said = json.loads(
        repaired("mlops-engineer", dossier, "solution 'linear': ValueError", "solution 'kernel' timed out")
    )
    left = [one["name"] for one in said["solutions"]]
    assert left == [name for name in named if name not in ("linear", "kernel")]


def test_a_repaired_engineer_never_leaves_out_too_many() -> None:
    dossier = dossier_with("mlops-engineer")
    named = [one["name"] for one in json.loads(play(conversation("mlops-engineer", dossier)))["solutions"]]
    said = json.loads(repaired("mlops-engineer", dossier, " ".join(f"solution {name!r} failed" for name in named)))
    assert len(said["solutions"]) >= 8


@pytest.mark.parametrize("role", ["data-strategist", "mlops-engineer", "technical-writer"])
def test_a_repair_changes_the_answer(role: str) -> None:
    dossier = dossier_with(role)
    assert repaired(role, dossier, "solution 'linear' is not good enough") != play(conversation(role, dossier))


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        ("Tell me a joke.", "# Role:"),
        ("# Role: poet\n\nWrite.", "poet"),
        ("# Role: data-strategist\n\nNo blocks here.", "## Seed"),
        ("# Role: data-strategist\n\n## Seed\n```json\n{broken\n```\n", "JSON"),
        ("# Role: data-strategist\n\n## Seed\n```json\n[1]\n```\n", "object"),
        ("# Role: mlops-engineer\n\n## Strategy\n```json\n{}\n```\n", "hidden_rule"),
        ('# Role: mlops-engineer\n\n## Strategy\n```json\n{"hidden_rule": 3}\n```\n', "lacks"),
        ("", "# Role:"),
    ],
)
def test_a_prompt_without_what_is_needed_gets_a_plain_sentence(content: str, missing: str) -> None:
    said = play([Message(role="system", content="Be good."), Message(role="user", content=content)])
    assert missing in said
    assert not said.startswith("{")


@pytest.mark.parametrize(
    ("block", "value"),
    [
        ("Seed", {"modality": "smell", "task_type": "classification"}),
        ("Seed", {"modality": "tabular"}),
        ("Seed", {"modality": "tabular", "task_type": "classification", "dna": [1]}),
        ("Random draw", {"rng_seed": "seven", "index": 0}),
        ("Random draw", {"index": 0}),
        ("Metrics", 3),
        ("Metrics", ["rmse"]),
    ],
)
def test_a_block_of_the_wrong_kind_gets_a_sentence_and_no_traceback(block: str, value: Any) -> None:
    blocks = {
        "Seed": {"modality": "tabular", "task_type": "classification", "metric": "accuracy", "dna": {}},
        "Random draw": {"rng_seed": 1, "index": 0},
        "Metrics": ["accuracy"],
        block: value,
    }
    text = "# Role: data-strategist\n\n" + "\n".join(
        f"## {name}\n```json\n{json.dumps(content)}\n```\n" for name, content in blocks.items()
    )
    said = play([Message(role="user", content=text)])
    assert not said.startswith("{")


def test_no_messages_get_a_sentence() -> None:
    assert "# Role:" in play([])
