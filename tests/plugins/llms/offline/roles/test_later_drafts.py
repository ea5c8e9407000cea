"""Drafts of the kinds that came later: every rule family, every noise, two rules at once, and how hard they are."""

import csv
import io
import json
import wave
from pathlib import Path
from typing import Any

import pytest

from sandmle.core.types.metrics import METRICS, METRICS_BY_TASK_TYPE
from sandmle.plugins.llms.offline.roles.domain_services import SECTORS
from sandmle.plugins.llms.offline.roles.families.catalogue import FAMILIES, family_named
from sandmle.plugins.llms.offline.roles.later_noise import LATER as LATER_NOISES
from sandmle.plugins.llms.offline.roles.player import play
from sandmle.plugins.synthesizer.checks import TOLERATED
from sandmle.plugins.synthesizer.files import check_files
from sandmle.plugins.synthesizer.population import check_format
from sandmle.plugins.synthesizer.probes import probe
from sandmle.plugins.synthesizer.role_config import StrategistConfig
from sandmle.plugins.synthesizer.roles import check_plan
from sandmle.plugins.synthesizer.wording import check_description

from .conftest import (
    LATER,
    Draft,
    conversation,
    find_later,
    generate,
    make_dossier,
    make_draft,
    make_seed,
    solve,
    with_answer,
)
from .test_drafts import private_score

TWO = (
    ("ring-distance-and-code-parts", "classification"),
    ("negated-remarks-and-saddle-curve", "regression"),
    ("topic-majority-and-telling-gaps", "classification"),
    ("texture-spacing-and-paired-quotient", "ranking"),
    ("shifted-motif-and-calendar-effects", "regression"),
)
"""Of tables, of texts and pictures beside tables; rules that give a signal and rules that give a class."""


def sound(draft: Draft) -> None:
    """See that a draft would be taken: plan, files, submission format, description, no leak."""
    check_plan(draft.strategy, draft.dossier, StrategistConfig())
    tables = check_files(draft.files, draft.strategy)
    check_format(draft.evaluation, draft.strategy, draft.files)
    assert check_description(draft.writing.description, draft.strategy) == []
    skills = probe(tables, draft.files, draft.strategy)
    assert {name: skill for name, skill in skills.items() if skill > TOLERATED[name]} == {}


@pytest.mark.parametrize(("name", "task_type"), [*LATER, *TWO])
def test_a_draft_of_every_kind_is_sound_and_its_rule_pays(name: str, task_type: str, tmp_path: Path) -> None:
    draft = make_draft(next(find_later(name, task_type, lambda plan: True)), tmp_path)
    sound(draft)
    better = METRICS[draft.strategy.metric].direction.better
    oracle = private_score(draft, draft.files["private/oracle.csv"])
    sample = private_score(draft, draft.files["public/sample_submission.csv"])
    insider = private_score(draft, solve(draft.code("rule-clean"), draft.folder))
    assert better(oracle, sample)
    assert better(insider, sample)


@pytest.mark.parametrize("noise", [one.name for one in LATER_NOISES])
def test_every_later_noise_leaves_a_draft_sound(noise: str, tmp_path: Path) -> None:
    found = next(one for one in LATER_NOISES if one.name == noise)
    family, task_type = next(
        (family, task_type)
        for family in FAMILIES
        for task_type in found.task_types
        if family.plays(task_type) and found.fits(family, task_type)
    )
    dossier = next(find_later(family.name, task_type, lambda plan: noise in plan["noise_families"], "hard"))
    sound(make_draft(dossier, tmp_path))


@pytest.mark.parametrize("name", ["long-stay", "filed-dying-swing"])
def test_no_reading_of_a_history_is_below_zero_whatever_noise_lies_over_it(name: str, tmp_path: Path) -> None:
    spiky = find_later(name, "forecasting", lambda plan: "spikes" in plan["noise_families"], "hard")
    files = make_draft(next(spiky), tmp_path).files
    tables = [path for path in files if path == "public/train.csv" or path.startswith("public/series/")]
    rows = [row for path in tables for row in csv.DictReader(io.StringIO(files[path].decode()))]
    readings = [float(row[column]) for row in rows for column in row if column.startswith(("lag_", "reading"))]
    assert len(readings) > 1000
    assert min(readings) == 0


@pytest.mark.parametrize("metric", sorted({name for names in METRICS_BY_TASK_TYPE.values() for name in names}))
def test_every_metric_of_the_catalogue_is_drawn_where_it_suits(metric: str) -> None:
    task_type = next(one for one, names in METRICS_BY_TASK_TYPE.items() if metric in names)
    name = {
        "multilabel": "limits-exceeded",
        "forecasting": "recurring-pattern",
        "reconstruction": "half-turn",
    }.get(task_type, "ring-distance")
    assert next(find_later(name, task_type, lambda plan: plan["metric"] == metric))


def test_several_rules_are_two_and_their_names_are_read_back() -> None:
    assert family_named("ring-distance-and-code-parts") is not None
    for wrong in ("ring-distance-and-", "ring-distance-and-topic-majority", "half-turn-and-ring-distance", "and"):
        assert family_named(wrong) is None


def test_a_harder_draft_has_fewer_rows_more_noise_and_often_two_rules() -> None:
    def plans(difficulty: str) -> list[dict[str, Any]]:
        seed = make_seed("tabular", "regression", difficulty=difficulty)
        dossiers = [make_dossier(seed, index=index, rng_seed=index) for index in range(30)]
        return [json.loads(play(conversation("data-strategist", one))) for one in dossiers]

    easy, hard = plans("easy"), plans("hard")
    assert min(one["train_rows"] for one in easy) > max(one["train_rows"] for one in hard)
    assert sum(len(one["noise_families"]) for one in easy) < sum(len(one["noise_families"]) for one in hard)
    assert not any("-and-" in one["rule_family"] for one in easy)
    assert any("-and-" in one["rule_family"] for one in hard)


def test_a_wished_sector_decides_the_domain() -> None:
    for sector in ("finance", "retail"):
        seed = make_seed("tabular", "regression", difficulty="medium", sector=sector)
        drawn = {
            json.loads(play(conversation("data-strategist", make_dossier(seed, index=index, rng_seed=index))))["domain"]
            for index in range(12)
        }
        assert {SECTORS[domain] for domain in drawn} == {sector}
        assert len(drawn) > 1


def test_a_task_made_larger_has_the_same_rule_and_columns_and_more_rows(tmp_path: Path) -> None:
    def plan(**dna: float) -> dict[str, Any]:
        seed = make_seed("tabular", "regression", difficulty="medium", **dna)
        return json.loads(play(conversation("data-strategist", make_dossier(seed, index=3, rng_seed=9))))

    small, large = plan(), plan(train_rows=6000)
    assert {name for name in small if small[name] != large[name]} == {"train_rows"}
    assert large["train_rows"] == 6000
    draft = make_draft(
        make_dossier(make_seed("tabular", "regression", difficulty="medium", train_rows=6000), index=3, rng_seed=9),
        tmp_path,
    )
    sound(draft)
    code = draft.code("linear")
    assert "train = train.head(5000)" in code
    assert "head(1500)" in draft.code("few-rows-linear")
    assert METRICS[draft.strategy.metric].direction.better(
        private_score(draft, solve(draft.code("rule-clean"), draft.folder)),
        private_score(draft, solve(code, draft.folder)),
    )


def test_a_million_rows_have_ids_enough() -> None:
    for rows, most in ((6000, "1_000_000"), (1_000_000, "10_000_000")):
        seed = make_seed("tabular", "regression", difficulty="medium", train_rows=rows)
        dossier = with_answer("data-strategist", make_dossier(seed))
        script = json.loads(play(conversation("ml-developer", dossier)))["script"]
        assert f"np.arange(100_000, {most})" in script


def test_sounds_are_wav_files_and_links_join_rows_of_both_tables(tmp_path: Path) -> None:
    audio = make_draft(next(find_later("pulse-rate", "regression", lambda plan: True)), tmp_path / "audio")
    path = next(path for path in audio.files if path.endswith(".wav"))
    with wave.open(str(audio.folder / path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
    graph = make_draft(next(find_later("neighbour-mean", "regression", lambda plan: True)), tmp_path / "graph")
    tables = check_files(graph.files, graph.strategy)
    ids = {*tables.train.column(graph.evaluation.id_column), *tables.test.column(graph.evaluation.id_column)}
    links = list(csv.reader(io.StringIO(graph.files["public/edges.csv"].decode())))[1:]
    assert len(links) > len(ids)
    assert {end for link in links for end in link} <= ids
    assert "edges.csv" in graph.writing.description


def test_the_same_seed_gives_the_same_files_of_every_modality(tmp_path: Path) -> None:
    for name in ("returning-echo", "hidden-circles", "filed-dying-swing", "laid-tiles"):
        task_type = next(task_type for family, task_type in LATER if family == name)
        draft = make_draft(next(find_later(name, task_type, lambda plan: True)), tmp_path / name)
        assert generate(draft.development.script, tmp_path / f"{name}-again") == draft.files
