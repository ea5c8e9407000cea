"""A user's folder of CSV files as a benchmark: what is read, what is refused, what comes of it."""

import csv
import json
import os
import random

import pytest
from typer.testing import CliRunner

from sandmle.cli import build_app
from sandmle.core.engine.tasks import list_tasks, refuse_real, verify_task
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import TaskError, UsageError
from sandmle.plugins.seeds.owndata.reading import Wish, read_table

CITIES = ("Bern", "Oslo", "São Paulo", "")


def houses(rows: int = 150) -> str:
    rng = random.Random(0)
    lines = ["row,area,city,remark,price"]
    for row in range(rows):
        area, city = rng.uniform(30, 200), rng.choice(CITIES)
        remark = rng.choice(("a nice and big house", '"old, small and cold"'))
        shown = "" if rng.random() < 0.1 else f"{area:.2f}"
        lines.append(f"{row},{shown},{city},{remark},{area * 3 + 40 * (city == 'Oslo') + rng.gauss(0, 9):.2f}")
    return "\n".join(lines) + "\n"


def churn(rows: int = 400) -> str:
    rng = random.Random(1)
    lines = ["customer;months;spent;Label;code"]
    for row in range(rows):
        months = rng.uniform(0, 60)
        gone = rng.random() < (0.3 if months < 20 else 0.02)
        lines.append(f"c{row:04d}x;{months:.3f};{rng.random():.3f};{'gone' if gone else 'stays'};{int(gone)}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def program(monkeypatch):
    monkeypatch.setenv("SANDMLE_PLUGINS", "")
    app = build_app(open_toolkit())
    return lambda *words: CliRunner().invoke(app, ["seeds", "benchmark", *map(str, words)])


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "my data"
    made.mkdir()
    (made / "Houses 2.csv").write_text(houses())
    (made / "Houses 2.md").write_text("Prices of houses in three towns.\n")
    (made / "churn.CSV").write_text(churn(), encoding="utf-8-sig")
    return made


def test_one_command_makes_a_benchmark_of_a_folder(program, folder, tmp_path):
    done = program(folder, "-o", tmp_path / "out", "--repeats", 1, "--json")
    assert done.exit_code == 0, done.exception
    document = json.loads(done.stdout)
    assert json.loads((tmp_path / "out" / "benchmark.json").read_text()) == document
    tasks = {task.spec.task_id: task for task in list_tasks(tmp_path / "out")}
    assert sorted(tasks) == ["own-churn-0-0", "own-houses-2-0-0"]
    assert [verify_task(task.layout.root) for task in tasks.values()] == [(), ()]
    prices, gone = tasks["own-houses-2-0-0"], tasks["own-churn-0-0"]
    assert (prices.spec.metric.name, gone.spec.metric.name) == ("rmse", "roc_auc")
    assert (prices.spec.submission.target_columns, gone.spec.submission.classes) == (("price",), ("gone", "stays"))
    assert len(gone.spec.solutions) >= 200
    assert "Prices of houses in three towns." in prices.description
    assert "`area`, `city`, `remark`" in prices.description
    assert document["left_out"]["Houses 2"] == [
        "column 'row', which counts the rows",
        "15 rows with the very features of an earlier row",
    ]
    assert document["left_out"]["churn"] == [
        "column 'customer', which names the rows",
        "column 'code', which tells the target in other words",
    ]
    with prices.layout.public.joinpath("train.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "area", "city", "remark", "price"]
    original = set(houses().splitlines())
    assert all(any(row["price"].rstrip("0") in line for line in original) for row in rows[:5])
    baselines = next(one for one in document["tasks"] if one["task_id"] == "own-houses-2-0-0")["baselines"]
    assert baselines["linear"]["score"] < baselines["constant"]["score"] / 2
    with pytest.raises(TaskError, match="train on synthetic tasks"):
        refuse_real(tasks.values())
    before = {path: path.stat().st_ino for path in (tmp_path / "out").iterdir() if path.is_dir()}
    assert program(folder, "-o", tmp_path / "out", "--repeats", 1).exit_code == 0
    assert {path: path.stat().st_ino for path in (tmp_path / "out").iterdir() if path.is_dir()} == before


def test_a_wish_can_be_for_one_file_or_for_all(tmp_path):
    (tmp_path / "a.csv").write_text(churn())
    table = read_table(tmp_path / "a.csv", Wish(target="spent", metric="mae"))
    assert (table.task_type, table.metric, table.target_column) == ("regression", "mae", "spent")
    with pytest.raises(TaskError, match="no column 'spend'; did you mean 'spent'"):
        read_table(tmp_path / "a.csv", Wish(target="spend"))
    with pytest.raises(TaskError, match="roc_auc does not suit this regression"):
        read_table(tmp_path / "a.csv", Wish(target="spent", metric="roc_auc"))
    with pytest.raises(TaskError, match="no metric 'rmsee'"):
        read_table(tmp_path / "a.csv", Wish(metric="rmsee"))


def lines(header: str, make, rows: int = 60) -> str:
    return header + "\n" + "".join(make(row) + "\n" for row in range(rows))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 columns"),
        (b"a\n1\n", "1 columns"),
        (b"a,a\n1,2\n", "two columns 'a'"),
        (b"a,\n1,2\n", "a column without a name"),
        (b"a,b\n1\n", "row 1: 1 cells, the header has 2"),
        (b'a,b\n"1,2\n', "no CSV"),
        (b"a,b\n1,\0\n", "NUL"),
        ("a,b\n1,é\n".encode("latin-1"), "not UTF-8 text"),
        ("a,b\n1,2\n".encode("utf-16"), "not UTF-8 text"),
        (b"a,b\n" + b"1,2\n" * 60, "fewer than two classes"),
        (lines("a,b", lambda row: f"{row * 7 % 61},word{row}").encode(), "60 different words"),
        (lines("n,b", lambda row: f"{row},{row * 1.5}").encode(), "no column is left to predict 'b' from"),
        (b"a,b\n" + b"x" * 200_000 + b",1\n", "no CSV"),
    ],
)
def test_what_is_no_table_is_refused_in_words(tmp_path, content, words):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(TaskError, match=words):
        read_table(tmp_path / "a.csv", Wish())


def test_infinite_and_missing_cells_do_no_harm(tmp_path):
    cells = ("inf", "NaN", "1e999", "", "?", "3")
    (tmp_path / "a.csv").write_text(lines("a,b,y", lambda row: f"{cells[row % 6]},{row * 7 % 61},{row * 31 % 17}.5"))
    table = read_table(tmp_path / "a.csv", Wish())
    assert table.task_type == "regression"
    (tmp_path / "b.csv").write_text(lines("b,y", lambda row: f"{row * 7 % 61},{'inf' if row == 3 else row}.5"))
    with pytest.raises(TaskError, match="60 different words"):
        read_table(tmp_path / "b.csv", Wish())


def test_rows_without_a_target_and_rare_classes_are_left_out_and_told(tmp_path):
    target = lambda row: "" if row < 3 else "rare" if row < 6 else ("a", "b")[row % 2]  # noqa: E731
    (tmp_path / "a.csv").write_text(lines("x,y", lambda row: f"{row * 7 % 61},{target(row)}"))
    table = read_table(tmp_path / "a.csv", Wish())
    assert table.notes == ("3 rows without a target", "3 rows of classes with too few: rare")
    assert set(table.target) == {"a", "b"}


def test_what_cannot_be_made_leaves_nothing_and_says_why(program, folder, tmp_path):
    out = tmp_path / "out"
    for words, message in (
        ([tmp_path / "nowhere"], "no such folder"),
        ([tmp_path], "holds no .csv file"),
        ([folder, "--seed", "iris-species"], "taken whole"),
        (["--target", "x"], "for a FOLDER of your own"),
        (["--seed", "exercise-waist"], "too few rows for a task"),
        (["--seed", "exercise-wast"], "did you mean 'exercise-waist'"),
        ([folder, "--target", "churn=month"], "did you mean 'months'"),
        ([folder, "--target", "a", "--target", "b"], "said twice of every file"),
    ):
        done = program(*words, "-o", out)
        assert isinstance(done.exception, TaskError | UsageError), done.output
        assert message in str(done.exception)
    (folder / "few.csv").write_text(houses(rows=20))
    assert "20 different rows with a target: 40 are needed" in str(program(folder, "-o", out).exception)
    (folder / "few.csv").unlink()
    (folder / "houses-2.csv").write_text(houses())
    assert "would both be called 'houses-2'" in str(program(folder, "-o", out).exception)
    (folder / "houses-2.csv").unlink()
    os.mkfifo(folder / "pipe.csv")
    assert "not a regular file" in str(program(folder, "-o", out).exception)
    assert not out.exists()


def test_a_rare_class_reaches_training_rows_and_both_boards(program, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "fraud.csv").write_text(
        lines("a,b,class", lambda row: f"{row * 37 % 1009},{row * row % 877},{int(row % 97 == 0)}", rows=1500)
    )
    done = program(folder, "-o", tmp_path / "out", "--repeats", 1, "--metric", "average_precision", "--json")
    assert done.exit_code == 0, done.exception
    (task,) = list_tasks(tmp_path / "out")
    train = list(csv.DictReader(task.layout.public.joinpath("train.csv").read_text().splitlines()))
    assert sum(row["class"] == "1" for row in train) >= 5
    answers = list(csv.DictReader(task.layout.answers.read_text().splitlines()))
    assert {row["board"] for row in answers if row["class"] == "1"} == {"public", "private"}
