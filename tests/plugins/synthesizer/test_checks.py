"""Each check, with the accepted draft changed so that exactly that check fails."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sandmle.core.types.synthesis import Evidence, TaskDraft
from sandmle.core.types.task import TaskSpec
from sandmle.plugins.synthesizer.checks import CHECKS, run_checks
from sandmle.plugins.synthesizer.files import read_tables
from sandmle.plugins.synthesizer.probes import probe
from sandmle.plugins.synthesizer.scripts import hashes
from sandmle.plugins.synthesizer.tables import parse_table
from sandmle.plugins.synthesizer.unseen import unseen_features

pytestmark = pytest.mark.asyncio(loop_scope="session")

Change = Callable[[TaskDraft, Evidence], tuple[TaskDraft, Evidence]]


def generated(task: TaskDraft) -> dict[str, bytes]:
    own = {f"private/{name}": task.private[name] for name in ("answers.csv", "oracle.csv")}
    return {**{f"public/{name}": content for name, content in task.public.items()}, **own}


def with_files(task: TaskDraft, evidence: Evidence, changed: dict[str, bytes]) -> tuple[TaskDraft, Evidence]:
    """The draft with other files, as if both runs of the generator had written them, and probed again."""
    files = {**generated(task), **changed}
    public = {path[7:]: content for path, content in files.items() if path.startswith("public/")}
    private = {path[8:]: content for path, content in files.items() if path.startswith("private/")}
    task = replace(task, public=public, private={**task.private, **private})
    return task, replace(evidence, rerun_sha256=hashes(files))


def with_spec(task: TaskDraft, **update: Any) -> TaskDraft:
    return replace(task, spec=task.spec.model_copy(update=update))


def with_thresholds(task: TaskDraft, **update: float) -> TaskDraft:
    return with_spec(task, thresholds=task.spec.thresholds.model_copy(update=update))


def changed_column(content: bytes, name: str, change: Callable[[int, str], str]) -> bytes:
    table = parse_table({"x": content}, "x")
    at = table.header.index(name)
    rows = [
        ",".join(change(number, cell) if column == at else cell for column, cell in enumerate(row))
        for number, row in enumerate(table.rows)
    ]
    return "\n".join([",".join(table.header), *rows, ""]).encode()


def second_run_differs(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    return task, replace(evidence, rerun_sha256={**evidence.rerun_sha256, "public/train.csv": "0" * 64})


def second_run_writes_less(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    rerun = {path: digest for path, digest in evidence.rerun_sha256.items() if path != "public/test.csv"}
    return task, replace(evidence, rerun_sha256=rerun)


def a_file_too_many(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    return with_files(task, evidence, {"public/answers_backup.csv": task.private["answers.csv"]})


def a_small_population(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    return with_spec(task, solutions=task.spec.solutions[:11]), evidence


def two_alike(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    return task, replace(evidence, agreement=0.995)


def unsteady_ranks(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    return task, replace(evidence, halves={"whole": 0.85, "top": 0.2})


def silver_below_bronze(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    tiers = task.spec.thresholds
    return with_thresholds(task, silver=tiers.bronze, bronze=tiers.silver), evidence


def a_narrow_gap(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    return task, replace(evidence, standard_errors={**evidence.standard_errors, "silver-bronze": 1e6})


def a_gap_below_the_boards_resolution(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    task = with_thresholds(task, silver=task.spec.thresholds.gold + 0.00009)
    return task, replace(evidence, standard_errors=dict.fromkeys(evidence.standard_errors, 1e-9))


def a_strong_sample(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    median = task.spec.thresholds.median
    return task, replace(evidence, scores={**evidence.scores, "sample-submission": median})


def a_weak_oracle(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    return task, replace(evidence, scores={**evidence.scores, "oracle": task.spec.thresholds.silver})


def a_strong_constant(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    return task, replace(evidence, scores={**evidence.scores, "constant": task.spec.thresholds.median})


def a_leak(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    return task, replace(evidence, leak_probes={**evidence.leak_probes, "id": 0.4})


def a_cheat_at_bronze(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    return task, replace(evidence, cheats={**evidence.cheats, "ids": task.spec.thresholds.bronze})


def an_unknown_probe(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    return task, replace(evidence, leak_probes={**evidence.leak_probes, "of-a-plugin": 0.01})


def no_metric(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    return replace(task, description=task.description.replace("rmse", "the usual error")), evidence


def the_formula(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    return replace(task, description=task.description + "\nHint: 3 * film - 2*Humidity\n"), evidence


def the_family(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    return replace(task, description=task.description + "\nThink of a damped product.\n"), evidence


def seen_before(task: TaskDraft, evidence: Evidence) -> tuple[TaskDraft, Evidence]:
    other = task.spec.model_copy(update={"task_id": "tabular-other-0000", "title": "Minutes of drying, other doors"})
    return task, replace(evidence, accepted=(other,))


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("deterministic-generator", second_run_differs),
        ("deterministic-generator", second_run_writes_less),
        ("file-schema", a_file_too_many),
        ("population-size", a_small_population),
        ("population-size", two_alike),
        ("thresholds-order", silver_below_bronze),
        ("steady-ranks", unsteady_ranks),
        ("threshold-margin", a_narrow_gap),
        ("threshold-margin", a_gap_below_the_boards_resolution),
        ("sample-beaten", a_strong_sample),
        ("oracle-gold", a_weak_oracle),
        ("constant-below-median", a_strong_constant),
        ("leak-probe", a_leak),
        ("leak-probe", an_unknown_probe),
        ("cheat-medal", a_cheat_at_bronze),
        ("description-names", no_metric),
        ("description-rule", the_formula),
        ("description-rule", the_family),
        ("near-duplicate", seen_before),
    ],
)
async def test_a_draft_that_violates_one_check_fails_exactly_that_one(accepted, check: str, change: Change) -> None:
    problems = run_checks(*change(*accepted))
    assert [problem.check for problem in problems] == [check]


async def test_the_draft_itself_passes_every_check(accepted) -> None:
    assert run_checks(*accepted) == []
    assert len(CHECKS) == 14


async def test_another_task_on_the_same_subject_is_welcome(accepted) -> None:
    task, evidence = accepted
    other = task.spec.model_copy(update={"task_id": "tabular-other-0000", "title": "Glue", "rule_family": "steps"})
    assert run_checks(task, replace(evidence, accepted=(other,))) == []


async def test_the_rows_of_another_task_under_another_title_are_refused(accepted) -> None:
    task, evidence = accepted
    changes = {"task_id": "tabular-other-0000", "title": "Glue", "rule_family": "steps"}
    digest = hashlib.sha256(task.public["train.csv"]).hexdigest()
    provenance = task.spec.provenance.model_copy(update={"content_sha256": {"public/train.csv": digest}})
    other = task.spec.model_copy(update={**changes, "provenance": provenance})
    (problem,) = run_checks(task, replace(evidence, accepted=(other,)))
    assert problem.check == "near-duplicate"
    assert "train.csv is that of tabular-other-0000" in problem.message


def with_metric(spec: TaskSpec, name: str) -> TaskSpec:
    return spec.model_copy(update={"metric": spec.metric.model_copy(update={"name": name})})


def with_target(spec: TaskSpec, name: str) -> TaskSpec:
    return spec.model_copy(update={"submission": spec.submission.model_copy(update={"target_columns": (name,)})})


def with_difficulty(spec: TaskSpec, name: str) -> TaskSpec:
    return spec.model_copy(update={"dna": {**spec.dna, "difficulty": name}})


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: with_metric(spec, "mae"),
        lambda spec: spec.model_copy(update={"noise_families": ("unheard-of",)}),
        lambda spec: with_target(spec, "hours"),
        lambda spec: with_difficulty(spec, "hard"),
    ],
    ids=["metric", "noise", "target", "difficulty"],
)
async def test_tasks_of_one_title_that_a_mix_made_are_told_apart_by_how_they_are_played(
    accepted, change: Callable[[TaskSpec], TaskSpec]
) -> None:
    task, evidence = accepted
    wished = replace(task, spec=with_difficulty(task.spec, "medium"))
    before = wished.spec.model_copy(update={"task_id": "tabular-other-0000"})
    assert run_checks(wished, replace(evidence, accepted=(change(before),))) == []
    assert [one.check for one in run_checks(wished, replace(evidence, accepted=(before,)))] == ["near-duplicate"]
    # Without a mix a title is given once.
    other = with_metric(task.spec.model_copy(update={"task_id": "tabular-other-0000"}), "mae")
    assert [one.check for one in run_checks(task, replace(evidence, accepted=(other,)))] == ["near-duplicate"]


def probed(task: TaskDraft, evidence: Evidence, files: dict[str, bytes]) -> dict[str, float]:
    everything = {**generated(task), **files}
    return probe(read_tables(everything, evidence.strategy.train_rows), everything, evidence.strategy)


async def test_probes_stay_at_chance_on_a_clean_draft(accepted) -> None:
    assert accepted[1].leak_probes["row-order"] == accepted[1].leak_probes["id"] == 0.0
    assert accepted[1].leak_probes["duplicate-rows"] == 0.0
    assert accepted[1].leak_probes["column"] < 0.95


@pytest.mark.parametrize("many_rows", [100_000, 40])
async def test_rows_sorted_by_the_target_are_found_however_many_rows_are_looked_at(
    accepted, many_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandmle.plugins.synthesizer.probes.MANY_ROWS", many_rows)
    task, evidence = accepted
    files = {}
    order = sorted(range(1200), key=lambda row: float(parse_table(generated(task), "private/answers.csv").rows[row][1]))
    for path in ("public/test.csv", "public/sample_submission.csv", "private/answers.csv", "private/oracle.csv"):
        table = parse_table(generated(task), path)
        files[path] = "\n".join(",".join(row) for row in [table.header, *(table.rows[row] for row in order)]).encode()
    assert probed(task, evidence, files)["row-order"] > 0.5


@pytest.mark.parametrize("encode", [lambda y: 50000 + int(y * 100), lambda y: 10 * int(y * 1e4) + (y > 40)])
async def test_an_id_that_carries_the_target_is_found(accepted, encode: Callable[[float], int]) -> None:
    task, evidence = accepted
    hidden = parse_table(generated(task), "private/answers.csv").column("minutes")
    known = parse_table(generated(task), "public/train.csv").column("minutes")
    files = {
        path: changed_column(
            generated(task)[path], "door_id", lambda row, cell, targets=targets: str(encode(float(targets[row])))
        )
        for path, targets in {
            "public/train.csv": known,
            "public/test.csv": hidden,
            "public/sample_submission.csv": hidden,
            "private/answers.csv": hidden,
            "private/oracle.csv": hidden,
        }.items()
    }
    assert probed(task, evidence, files)["id"] > 0.3


SPELL: dict[str, Callable[[int, float], str]] = {
    "a number in the middle": lambda row, y: f"p/{row * 7919 % 9973:04d}_{int(y * 10):04d}_{row * 31 % 997:03d}.png",
    "a word at the end": lambda row, y: f"p/{row * 7919 % 9973:04d}_{'low' if y < 40 else 'fat'}.png",
    "a letter behind a name of any length": lambda row, y: f"p/{'x' * (row * 31 % 9)}{'ab'[y < 40]}.png",
    "a folder": lambda row, y: f"{'dim' if y < 40 else 'lit'}/{row * 7919 % 9973}.png",
}


@pytest.mark.parametrize("how", SPELL)
async def test_a_file_name_that_carries_the_target_is_found_wherever_it_does(accepted, how: str) -> None:
    task, evidence = accepted
    columns = tuple(
        one.model_copy(update={"kind": "image"}) if one.name == "wood" else one for one in evidence.strategy.columns
    )
    plan = evidence.strategy.model_copy(update={"columns": columns})
    targets = {
        "public/train.csv": parse_table(generated(task), "public/train.csv").column("minutes"),
        "public/test.csv": parse_table(generated(task), "private/answers.csv").column("minutes"),
    }

    def skill(spell: Callable[[int, float], str]) -> float:
        files, first = generated(task), 0
        for path, known in targets.items():
            names = [spell(first + row, float(y)) for row, y in enumerate(known)]
            first += len(names)
            files[path] = changed_column(files[path], "wood", lambda row, cell, names=names: names[row])
            files |= {f"public/{name}": b"picture" for name in names}
        return probe(read_tables(files, plan.train_rows), files, plan)["file-name"]

    assert skill(SPELL[how]) > 0.5
    assert skill(lambda row, y: f"images/{row * 7919 % 9973:04d}.png") < 0.05


async def test_a_label_in_a_file_name_is_found_as_a_word_and_not_where_it_stands_by_chance() -> None:
    from sandmle.plugins.synthesizer.probes import _label_in_name

    rng = random.Random(3)
    hidden = [rng.choice(("Light oak", "pine", "elm")) for _ in range(600)]
    told = [
        f"{rng.randrange(10**9)}{'_' * rng.randrange(4)}-{one.replace(' ', '_')}.{rng.randrange(99)}" for one in hidden
    ]
    assert _label_in_name(told, hidden) == pytest.approx(1)
    other = [f"{rng.randrange(10**9)}-{rng.choice(hidden)}" for _ in hidden]
    assert _label_in_name(other, hidden) == 0
    assert _label_in_name([f"{row}" for row in range(600)], hidden) == 0


async def test_a_column_that_is_the_target_in_disguise_is_found(accepted) -> None:
    task, evidence = accepted
    hidden = parse_table(generated(task), "private/answers.csv").column("minutes")
    known = parse_table(generated(task), "public/train.csv").column("minutes")
    files = {
        path: changed_column(
            generated(task)[path], "film", lambda row, cell, targets=targets: str(-2.0 * float(targets[row]) ** 3)
        )
        for path, targets in {"public/train.csv": known, "public/test.csv": hidden}.items()
    }
    assert probed(task, evidence, files)["column"] > 0.99


UNSEEN: dict[str, Callable[[str, bool], str]] = {
    "a blank at the end": lambda cell, high: cell + " " * high,
    "a blank at the beginning": lambda cell, high: " " * high + cell,
    "zeros that change no number": lambda cell, high: f"{float(cell):.{6 + high}f}",
    "a sign that changes no number": lambda cell, high: cell if cell.startswith("-") or not high else f"+{cell}",
    "an exponent that changes no number": lambda cell, high: f"{cell}e0" if high else cell,
}


@pytest.mark.parametrize(
    ("column", "how"),
    [*(("film", how) for how in UNSEEN), *(("wood", how) for how in UNSEEN if "blank" in how)],
)
async def test_what_no_one_sees_in_a_cell_is_found_where_it_goes_with_the_target(
    accepted, column: str, how: str
) -> None:
    task, evidence = accepted
    wanted = parse_table(generated(task), "public/train.csv").column("minutes")
    asked = parse_table(generated(task), "private/answers.csv").column("minutes")
    middle = sorted(map(float, wanted))[len(wanted) // 2]

    def skill(is_high: Callable[[str, int], bool]) -> float:
        files = {
            path: changed_column(
                generated(task)[path],
                column,
                lambda row, cell, targets=targets: UNSEEN[how](cell, is_high(targets[row], row)),
            )
            for path, targets in {"public/train.csv": wanted, "public/test.csv": asked}.items()
        }
        return probed(task, evidence, files)["unseen"]

    assert skill(lambda target, row: float(target) > middle) > 0.5
    if "sign" not in how:
        assert skill(lambda target, row: row * 7919 % 3 == 0) == 0.0
    assert skill(lambda target, row: True) == skill(lambda target, row: False) == 0.0


async def test_blanks_are_counted_at_the_ends_of_lines_and_between_words_and_not_where_a_line_is_set_in() -> None:
    train, test = ["a b", "a  b", "a b \nc", "a\n  b"], ["a b"]
    counted = [known + asked for known, asked in unseen_features("text", train, test)]
    assert counted == [(0, 0, 1, 0, 0), (0, 2, 0, 0, 0)]
    assert list(unseen_features("number", ["3", "-0.5", "1e-07", "", "nan"], ["12.25"])) == []
    assert list(unseen_features("id", ["1 "], ["1"])) == []


async def test_rows_of_train_repeated_in_test_are_counted(accepted) -> None:
    task, evidence = accepted
    train = parse_table(generated(task), "public/train.csv")
    test = parse_table(generated(task), "public/test.csv")
    rows = [(row[0], *train.rows[at][1:4]) if at < 60 else row for at, row in enumerate(test.rows)]
    files = {"public/test.csv": "\n".join(",".join(row) for row in [test.header, *rows]).encode()}
    assert probed(task, evidence, files)["duplicate-rows"] == pytest.approx(0.05)


async def test_probes_rarely_see_what_is_not_there() -> None:
    from sandmle.plugins.synthesizer.probes import _best, _encode, _name_features

    rng = random.Random(5)
    alarms = 0
    for _ in range(40):
        known = [rng.choice("abcde") for _ in range(100)]
        hidden = [rng.choice("abcde") for _ in range(500)]
        ids = [f"r{number}" for number in rng.sample(range(10**6), 600)]
        features = list(_name_features(ids[:100], ids[100:]))
        alarms += _best(features, list(_encode(known, hidden, True))) > 0.05
    assert alarms == 0
