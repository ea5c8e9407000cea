"""The contract of generator scripts, each clause broken once."""

from collections.abc import Callable

import pytest

from sandmle.core.types.synthesis import Strategy
from sandmle.plugins.synthesizer.files import MAX_LARGE_BYTES, MAX_TREE_BYTES, check_files, most_bytes
from sandmle.plugins.synthesizer.tables import FaultError, parse_table

Files = dict[str, bytes]


def strategy(**changes: object) -> Strategy:
    plan = {
        "title": "Small pictures",
        "domain": "tests",
        "scenario": "One row is one small picture of a door, taken when it has left the painting booth.",
        "modality": "image",
        "task_type": "classification",
        "metric": "accuracy",
        "train_rows": 50,
        "public_board_rows": 200,
        "private_board_rows": 300,
        "columns": [
            {"name": "door", "kind": "id", "meaning": "number"},
            {"name": "film", "kind": "number", "meaning": "thickness"},
            {"name": "picture", "kind": "image", "meaning": "file of the picture"},
            {"name": "verdict", "kind": "target", "meaning": "verdict"},
        ],
        "rule_family": "none",
        "hidden_rule": "The verdict is good when the picture is bright.",
        "noise_families": ["flips"],
        "noise": "one in ten is wrong",
    }
    return Strategy.model_validate({**plan, **changes})


@pytest.fixture
def files() -> Files:
    train, test = range(50), range(50, 550)
    label = lambda row: "good" if row % 3 else "bad"  # noqa: E731
    mark = lambda row: "public" if row < 250 else "private"  # noqa: E731
    text = {
        "public/train.csv": ["door,film,picture,verdict", *(f"{r},{r}.5,p/{r}.png,{label(r)}" for r in train)],
        "public/test.csv": ["door,film,picture", *(f"{r},,p/{r}.png" for r in test)],
        "public/sample_submission.csv": ["door,verdict", *(f"{r},good" for r in test)],
        "private/answers.csv": ["door,verdict,board", *(f"{r},{label(r)},{mark(r)}" for r in test)],
        "private/oracle.csv": ["door,verdict", *(f"{r},{label(r)}" for r in test)],
    }
    tables = {path: ("\n".join(lines) + "\n").encode() for path, lines in text.items()}
    return {**tables, **{f"public/p/{row}.png": b"png%d" % row for row in (*train, *test)}}


def edit(path: str, old: bytes, new: bytes) -> Callable[[Files], Files]:
    def change(files: Files) -> Files:
        assert old in files[path]
        return {**files, path: files[path].replace(old, new)}

    return change


def without(path: str) -> Callable[[Files], Files]:
    return lambda files: {name: content for name, content in files.items() if name != path}


TRAIN, TEST, SAMPLE = "public/train.csv", "public/test.csv", "public/sample_submission.csv"
ANSWERS, ORACLE = "private/answers.csv", "private/oracle.csv"


def test_files_that_keep_the_contract_pass(files: Files) -> None:
    assert len(check_files(files, strategy()).test.rows) == 500


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (without(ORACLE), "private/oracle.csv was not written"),
        (edit(TRAIN, b"door,film", b"door,thick"), r"columns missing: \['film'\]"),
        (edit(TEST, b"door,film", b"door,verdict"), r"not in the strategy: \['verdict'\]"),
        (edit(TRAIN, b"7,7.5,p/7.png,good\n", b""), "has 49 data rows, the strategy says 50"),
        (edit(TRAIN, b"\n8,", b"\n9,"), "id '9' appears more than once"),
        (edit(TRAIN, b"\n8,", b"\n88,"), "in both train.csv and test.csv, such as '88'"),
        (edit(TRAIN, b"\n8,", b"\n8 b,"), "id '8 b' is not made of"),
        (edit(TRAIN, b"8.5", b"8.5um"), "'8.5um' is not a number"),
        (edit(TRAIN, b"8.5", b"inf"), "'inf' is not finite"),
        (edit(TRAIN, b"8.5", b"1e308"), "'1e308' is larger than 1e\\+100"),
        (lambda files: {path: text.replace(b"good", b"g" * 201) for path, text in files.items()}, "more than 200 char"),
        (edit(TRAIN, b"p/8.png", b"p/" + b"8" * 200 + b".png"), "200 characters at most"),
        (edit(TRAIN, b"\n8,8.5", b"\n8,8,5"), "data row 9: 5 cells"),
        (edit(ANSWERS, b"\n60,", b"\n61x,"), "the ids of test.csv in the same order"),
        (edit(ANSWERS, b"60,bad,public", b"60,bad,private"), "the marks are"),
        (edit(ANSWERS, b"60,bad", b"60,ugly"), "label 'ugly' never occurs in train.csv"),
        (edit(TRAIN, b"bad", b"good"), "2 to 50 labels"),
        (edit(TRAIN, b",bad\n", b", bad\n"), "without blanks around"),
        (edit(SAMPLE, b"door,", b"gate,"), "the first column must be 'door'"),
        (edit(SAMPLE, b"\n60,", b"\n600,"), "the ids of test.csv in the same order"),
        (edit(ORACLE, b"door,verdict", b"door,said"), "must have the columns of"),
        (without("public/p/8.png"), r"public/p/8.png is named in a table and was not written"),
        (edit(TRAIN, b"p/8.png", b"p/../../private/answers.csv"), "is not plain"),
        (edit(TRAIN, b"p/8.png", b"/etc/passwd"), "is not plain"),
        (edit(TRAIN, b"p/8.png", b"p/9.png"), "two rows name the same file"),
        (lambda files: {**files, "public/notes.txt": b"the verdict is bright"}, "'public/notes.txt'"),
        (lambda files: {**files, "private/x": b"x"}, "belong to no row"),
        (lambda files: {**files, TRAIN: b"\xff\xfe"}, "not UTF-8"),
        (lambda files: {**files, TRAIN: b"a\0"}, "NUL"),
        (lambda files: {**files, TRAIN: b'door,"film\n1'}, "is not CSV"),
        (lambda files: {**files, TRAIN: b"door,door\n1,2\n"}, "distinct names"),
        (lambda files: {**files, TRAIN: b"door,film\n"}, "no data rows"),
    ],
)
def test_a_broken_clause_is_said(files: Files, change: Callable[[Files], Files], complaint: str) -> None:
    with pytest.raises(FaultError, match=complaint):
        check_files(change(files), strategy())


def test_one_label_on_a_board_is_refused(files: Files) -> None:
    lines = files[ANSWERS].decode().splitlines()
    same = [line.replace("bad", "good") if line.endswith("private") else line for line in lines]
    with pytest.raises(FaultError, match="private board's rows all have one label"):
        check_files({**files, ANSWERS: "\n".join(same).encode()}, strategy())


def test_values_are_needed_where_values_are_predicted(files: Files) -> None:
    with pytest.raises(FaultError, match="column 'verdict', data row 1: 'bad' is not a number"):
        check_files(files, strategy(task_type="regression", metric="rmse"))


@pytest.mark.parametrize(
    ("metric", "change", "complaint"),
    [
        ("roc_auc", edit(TRAIN, b"1.png,good", b"1.png,ugly"), "needs 2 labels, not 3"),
        ("qwk", lambda files: files, "whole numbers"),
    ],
)
def test_labels_that_the_metric_cannot_take_are_refused(files: Files, metric: str, change, complaint: str) -> None:
    with pytest.raises(FaultError, match=complaint):
        check_files(change(files), strategy(metric=metric))


def test_negative_targets_are_refused_under_rmsle(files: Files) -> None:
    numbers = {path: content.replace(b",good", b",3").replace(b",bad", b",-1") for path, content in files.items()}
    numbers[TRAIN] = numbers[TRAIN].replace(b"7.png,3", b"7.png,8")
    with pytest.raises(FaultError, match="never negative"):
        check_files(numbers, strategy(task_type="regression", metric="rmsle"))


def test_a_table_of_millions_of_blank_cells_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandmle.plugins.synthesizer.tables.MAX_ROWS", 1000)
    assert len(parse_table({"x": b"a,b\n" + b",\n" * 1000}, "x").rows) == 1000
    with pytest.raises(FaultError, match="more than 1000 data rows"):
        parse_table({"x": b"a,b\n" + b",\n" * 1001}, "x")


def test_a_huge_table_is_refused_unread() -> None:
    with pytest.raises(FaultError, match="at most"):
        parse_table({"x": b"," * (33 * 2**20)}, "x")


def test_only_a_task_made_larger_on_purpose_may_be_large() -> None:
    assert most_bytes(200_000) == MAX_TREE_BYTES < MAX_LARGE_BYTES == most_bytes(200_001)
    with pytest.raises(FaultError, match="at most 7 are allowed"):
        parse_table({"x": b"a,b\n1,2\n"}, "x", 7)


def test_several_targets_and_shared_files_are_held_to_the_plan(files: Files) -> None:
    plan = strategy(
        modality="graph",
        task_type="multilabel",
        metric="label_log_loss",
        shared_files=["edges.csv"],
        columns=[
            {"name": "door", "kind": "id", "meaning": "number"},
            {"name": "film", "kind": "number", "meaning": "thickness"},
            {"name": "wet", "kind": "target", "meaning": "1 where wet"},
            {"name": "bent", "kind": "target", "meaning": "1 where bent"},
        ],
    )

    def table(header: str, first: int, rows: int, *cells: str) -> bytes:
        lines = [
            ",".join([f"d{first + at}", *(cell.replace("@", str(at % 2)) for cell in cells)]) for at in range(rows)
        ]
        return "\n".join([header, *lines, ""]).encode()

    boards = ["public"] * 200 + ["private"] * 300
    answers = "\n".join(
        ["door,wet,bent,board", *(f"d{100 + at},{at % 2},{at % 2},{boards[at]}" for at in range(500)), ""]
    )
    made = {
        "public/train.csv": table("door,film,wet,bent", 0, 50, "0.5", "@", "@"),
        "public/test.csv": table("door,film", 100, 500, "0.5"),
        "public/sample_submission.csv": table("door,wet,bent", 100, 500, "0.5", "0.5"),
        "private/oracle.csv": table("door,wet,bent", 100, 500, "0.9", "0.1"),
        "private/answers.csv": answers.encode(),
        "public/edges.csv": b"node,linked_to\nd0,d100\n",
    }
    assert check_files(made, plan).train.header == ("door", "film", "wet", "bent")
    with pytest.raises(FaultError, match=r"edges\.csv"):
        check_files({name: content for name, content in made.items() if name != "public/edges.csv"}, plan)
    spoiled = made["public/train.csv"].replace(b"0.5,1,1", b"0.5,1,2")
    with pytest.raises(FaultError, match="a label is 0 or 1"):
        check_files({**made, "public/train.csv": spoiled}, plan)
    with pytest.raises(FaultError, match="belong to no row"):
        check_files(made, plan.model_copy(update={"shared_files": ()}))
