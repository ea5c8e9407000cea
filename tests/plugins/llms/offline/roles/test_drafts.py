"""Whole drafts: every rule family under every noise it can be drawn with."""

import re
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sandmle.core.engine.answers import parse_answers
from sandmle.core.engine.metrics import score
from sandmle.core.engine.submissions import parse_submission
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Direction
from sandmle.plugins.llms.offline.roles.families.catalogue import family_named
from sandmle.plugins.llms.offline.roles.noise import FIRST as FIRST_NOISES
from sandmle.plugins.llms.offline.roles.noise import fitting
from sandmle.plugins.llms.offline.roles.strategist import BINARY_METRICS, VALUE_METRICS
from sandmle.plugins.synthesizer.files import check_files
from sandmle.plugins.synthesizer.population import check_format, submission_format
from sandmle.plugins.synthesizer.wording import check_description

from .conftest import Draft, find_dossiers, generate, make_dossier, make_draft, make_seed, solve


def private_score(draft: Draft, submission: bytes) -> float:
    """The metric on the private-board rows."""
    import numpy as np

    key = parse_answers(draft.files["private/answers.csv"], submission_format(draft.evaluation))
    kept = np.array(key.private)
    predicted = np.array(parse_submission(submission, key))[kept]
    if predicted.shape[1] == 1:
        predicted = predicted[:, 0]
    return score(draft.strategy.metric, np.array(key.truth)[kept], predicted, len(key.classes))


@pytest.fixture
def draft(kind: tuple[str, str], tmp_path: Path) -> Draft:
    return make_draft(next(find_dossiers(*kind, lambda plan: True)), tmp_path)


def test_every_family_meets_the_contract_under_every_noise(kind: tuple[str, str], tmp_path: Path) -> None:
    family = family_named(kind[0])
    assert family is not None
    unseen = {noise.name for noise in fitting(family, kind[1], FIRST_NOISES)}

    def new(plan: dict[str, Any]) -> bool:
        return not unseen.isdisjoint(plan["noise_families"])

    for number, dossier in enumerate(find_dossiers(*kind, new)):
        draft = make_draft(dossier, tmp_path / str(number))
        tables = check_files(draft.files, draft.strategy)
        assert len(tables.train.rows) == draft.strategy.train_rows
        check_format(draft.evaluation, draft.strategy, draft.files)
        unseen.difference_update(draft.strategy.noise_families)
        if not unseen:
            break
    assert not unseen


def test_a_generator_gives_the_same_files_again_and_others_for_another_rng_seed(draft: Draft, tmp_path: Path) -> None:
    again = generate(draft.development.script, tmp_path / "again")
    other = generate(draft.development.script, tmp_path / "other", rng_seed=12)
    assert again == draft.files
    assert other["public/train.csv"] != draft.files["public/train.csv"]


def test_a_description_names_everything_and_keeps_the_rule(draft: Draft) -> None:
    assert check_description(draft.writing.description, draft.strategy) == []
    meanings = " ".join(
        [
            draft.strategy.title,
            draft.strategy.scenario,
            *[f"{one.name.replace(chr(95), chr(32))} {one.meaning}" for one in draft.strategy.columns],
        ]
    )
    for word in {*draft.strategy.rule_family.split("-"), "hidden", "parameters", "noise"} - _words(meanings):
        assert word not in _words(draft.writing.description)


def test_who_knows_the_rule_beats_plain_work_and_plain_work_differs(draft: Draft) -> None:
    better = METRICS[draft.strategy.metric].direction.better
    plain = {"tabular": "linear", "text": "words-linear", "image": "pixels-linear"}[draft.strategy.modality]
    oracle = private_score(draft, draft.files["private/oracle.csv"])
    insider = private_score(draft, solve(draft.code("rule-clean"), draft.folder))
    outsider = private_score(draft, solve(draft.code(plain), draft.folder))
    sample = private_score(draft, draft.files["public/sample_submission.csv"])
    assert better(insider, outsider)
    assert better(insider, sample)
    assert better(oracle, outsider)


@pytest.mark.parametrize("metric", sorted({*BINARY_METRICS, *VALUE_METRICS, "qwk"}))
def test_every_metric_is_drawn_and_graded(metric: str, tmp_path: Path) -> None:
    regression = METRICS[metric].prediction.value == "value"
    family, task_type = ("ring-distance", "regression" if regression else "classification")
    draft = make_draft(next(find_dossiers(family, task_type, lambda plan: plan["metric"] == metric)), tmp_path)
    oracle = private_score(draft, draft.files["private/oracle.csv"])
    sample = private_score(draft, draft.files["public/sample_submission.csv"])
    assert METRICS[metric].direction.better(oracle, sample)
    perfect = 1.0 if METRICS[metric].direction is Direction.MAXIMIZE else 0.0
    # The noise keeps even the rule's owner from a perfect score.
    assert METRICS[metric].direction.better(perfect, oracle)


@pytest.mark.parametrize(("modality", "index"), [("tabular", 0), ("text", 1), ("image", 3)])
def test_every_member_of_a_population_runs_without_a_warning_and_can_be_graded(
    modality: str, index: int, tmp_path: Path
) -> None:
    draft = make_draft(make_dossier(make_seed(modality, "classification"), index=index), tmp_path)
    assert 20 <= len(draft.evaluation.solutions) <= 26
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = {one.name: private_score(draft, solve(one.code, draft.folder)) for one in draft.evaluation.solutions}
    assert len({round(value, 6) for value in scores.values()}) >= 0.8 * len(scores)


def test_ids_are_unique_and_say_nothing_of_their_place(draft: Draft) -> None:
    tables = check_files(draft.files, draft.strategy)
    name = draft.evaluation.id_column
    ids = [int(cell) for cell in (*tables.train.column(name), *tables.test.column(name))]
    rising = sum(a < b for a, b in pairwise(ids)) / len(ids)
    assert len(set(ids)) == len(ids)
    assert 0.4 < rising < 0.6


def test_an_image_task_has_a_file_for_every_row(tmp_path: Path) -> None:
    draft = make_draft(make_dossier(make_seed("image", "classification"), index=4), tmp_path)
    images = [path for path in draft.files if path.endswith(".png")]
    rows = draft.strategy.train_rows + draft.strategy.public_board_rows + draft.strategy.private_board_rows
    assert len(images) == rows
    assert sorted(images) == sorted(f"public/{path}" for path in _paths(draft))


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def _paths(draft: Draft) -> list[str]:
    tables = check_files(draft.files, draft.strategy)
    return [*tables.train.column("image"), *tables.test.column("image")]
