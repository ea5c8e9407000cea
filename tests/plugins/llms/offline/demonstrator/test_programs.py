"""The table of lines at work on small files, run as agent code is: as one cell in the folder that holds `data/`."""

import contextlib
import io
import re
import warnings

import pytest

from sandmle.plugins.llms.offline.demonstrator.grid import asked_output, grid, program_sha256
from sandmle.plugins.llms.offline.demonstrator.look import DRAWS, look_code, read_look
from sandmle.plugins.llms.offline.demonstrator.programs import (
    FEATURES,
    FILLS,
    HEAD,
    MODELS,
    OUTPUTS,
    SETTINGS,
    Program,
    every_program,
)


@pytest.fixture
def run(public, monkeypatch):
    def run(kind: str, code: str) -> str:
        folder = public(kind)
        (folder / "submission.csv").unlink(missing_ok=True)
        monkeypatch.chdir(folder)
        said = io.StringIO()
        with contextlib.redirect_stdout(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(code, "<cell>", "exec"), {"__name__": "__main__"})
        return said.getvalue()

    return run


def program(features="num", fill="median", model="linear", setting="a", output="value") -> Program:
    return Program(features=features, fill=fill, model=model, setting=setting, output=output)


def test_every_program_of_the_table_is_python_and_its_own_text():
    programs = list(every_program())
    assert len(programs) == len(FEATURES) * len(FILLS) * len(MODELS) * len(SETTINGS) * len(OUTPUTS)
    for one in programs:
        compile(one.code, one.name, "exec")
    assert len({one.code for one in programs}) == len({one.name for one in programs}) == len(programs)


def test_the_grid_is_part_of_the_table_and_as_large_as_it_says():
    assert set(grid()) <= set(every_program())
    assert len(grid()) == len({program_sha256(one) for one in grid()}) == 144


def test_programs_are_short_and_made_of_few_different_lines():
    programs = list(every_program())
    assert max(len(one.code.splitlines()) for one in programs) <= 20
    assert len({line for one in programs for line in one.code.splitlines()}) < 90
    assert all("def " not in one.code for one in programs)


@pytest.mark.parametrize(
    ("kind", "features"),
    [
        *[("values", name) for name in ("num", "flags", "squares", "products", "ratios", "sincos", "steps")],
        *[("texts", name) for name in ("words", "endings", "pairs", "first", "amounts")],
    ],
)
def test_each_representation_runs_on_its_kind_of_file_and_answers_every_row(run, public, kind, features):
    assert re.fullmatch(r"cv -?\d+\.\d\d\n", run(kind, program(features).code))
    lines = (public(kind) / "submission.csv").read_text().splitlines()
    sample = (public(kind) / "data/sample_submission.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == [line.partition(",")[0] for line in sample]


@pytest.mark.parametrize("features", ["pixels", "quarters", "waves", "marks"])
def test_pictures_are_read_where_the_table_names_them(run, features):
    assert run("images", program(features, output="label").code).startswith("cv ")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_each_model_fits_values_and_classes(run, model, setting):
    assert run("values", program(model=model, setting=setting).code).startswith("cv ")
    assert run("classes", program(model=model, setting=setting, output="probability").code).startswith("cv ")


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("values", program("words")),
        ("values", program("pixels")),
        ("values", program("codes")),
        ("values", program("dates")),
        ("texts", program("num")),
        ("texts", program("dates")),
        ("images", program("words", output="label")),
        ("gaps", program(fill="none")),
        ("values", program(output="label")),
        ("classes", program(output="value")),
        ("classes", program(output="log")),
    ],
)
def test_a_choice_that_does_not_suit_the_files_fails_by_itself(run, kind, wrong):
    with pytest.raises((KeyError, IndexError, ValueError, TypeError)):
        run(kind, wrong.code)


def test_products_find_what_plain_columns_miss(run):
    score = {name: float(run("values", program(name).code).split()[1]) for name in ("num", "products")}
    assert score["products"] > score["num"] + 0.3


@pytest.mark.parametrize(
    ("kind", "first", "gaps", "values"),
    [
        ("values", "products", False, True),
        ("gaps", "products", True, True),
        ("classes", "products", False, False),
        ("texts", "amounts", False, True),
    ],
)
def test_the_look_puts_first_what_helps_and_tells_the_facts(run, kind, first, gaps, values):
    seen = read_look(run(kind, look_code(0)))
    assert seen is not None
    assert (seen.features[0], seen.gaps, seen.values) == (first, gaps, values)
    assert set(seen.models) <= set(MODELS)


def test_the_look_reads_pictures_and_says_it_in_short_lines(run):
    said = run("images", look_code(0))
    seen = read_look(said)
    assert seen is not None
    assert set(seen.features) == {"pixels", "quarters", "waves", "marks"}
    assert len(said.splitlines()) <= 20
    assert max(map(len, said.splitlines())) <= 24


def test_the_look_says_nothing_of_metrics_or_predictions(run):
    said = run("values", look_code(0))
    assert not re.search(r"rmse|rmsle|auc|log|label|probab|metric|score", said)


def test_two_looks_at_one_task_agree_on_what_stands_out_and_not_on_everything(run):
    seen = [one for draw in range(DRAWS) if (one := read_look(run("values", look_code(draw))))]
    assert {one.features[0] for one in seen} == {"products"}
    assert len({(one.features, one.models) for one in seen}) > 1


def test_a_look_that_failed_is_not_read():
    assert read_look("KeyError: 'a'") is None
    assert read_look("features:\nnum\n") is None


def test_look_and_programs_begin_with_the_same_lines():
    assert look_code(0).startswith(HEAD)
    assert program().code.startswith(HEAD)


def test_the_output_follows_the_metric():
    assert [asked_output(name) for name in ("rmsle", "rmse", "qwk", "log_loss")] == [
        "log",
        "value",
        "label",
        "probability",
    ]
