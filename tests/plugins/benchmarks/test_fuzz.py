"""More than ten thousand spoilt submissions and boards: never a crash, never a wrong score, medal or place.

Submissions are judged by our grader, by a reading of the file that shares nothing with it, and by the grader that we
export, which is given what pandas has read, as the peers give it.
"""

import csv
import io
import math
import string
import sys
from types import ModuleType

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sandmle.core.conformance.copying import copying_draft
from sandmle.core.engine.answers import parse_answers
from sandmle.core.engine.board_csv import parse_board
from sandmle.core.engine.board_files import score_column, second_column
from sandmle.core.engine.boards import PositionBoard, medal_of, medal_rule
from sandmle.core.engine.grading_worker import Material, grade
from sandmle.core.errors import BoardError
from sandmle.core.types.score import Direction, Medal, Prediction
from sandmle.core.types.task import MetricRecord, SubmissionFormat, ThresholdRecord
from sandmle.plugins.exchange.tasks.bundling import SCORING, grader_source
from sandmle.plugins.exchange.tasks.material import template

CASES = settings(
    max_examples=2100, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
"""Of each kind below; three kinds of submissions and two of boards make more than ten thousand."""

TRUTH = {str(10 + row): 0.5 + (row * 7 % 5) / 3 for row in range(8)}
PRIVATE = [name for row, name in enumerate(TRUTH) if row % 4]
BOARD = "rank,score\n" + "".join(f"{place},{0.1 * place:.5f}\n" for place in range(1, 21))
THRESHOLDS = {"gold": 0.2, "silver": 0.4, "bronze": 0.8, "median": 1.05}
SIZES = ("1", "10", "2")
"""Labels that pandas reads as numbers."""


def material(task_id, metric, truth, prediction=Prediction.VALUE, classes=()):
    form = SubmissionFormat(id_column="id", target_columns=("weight",), prediction=prediction, classes=classes)
    changes = {"metric": metric, "submission": form, "thresholds": ThresholdRecord(**THRESHOLDS)}
    spec = copying_draft(task_id).spec.model_copy(update=changes)
    rows = [f"{name},{value},{'private' if name in PRIVATE else 'public'}" for name, value in truth.items()]
    answers = ("id,weight,board\n" + "\n".join(rows) + "\n").encode()
    board = PositionBoard(second_column(parse_board(BOARD.encode())), Direction.MINIMIZE)
    return Material(spec=spec, key=parse_answers(answers, form), board=board), answers


def exported(made):
    """A task's grader as exports hold it, and the answers as pandas reads them."""
    of_task, answers = made
    module = ModuleType(f"exported_{of_task.spec.task_id}")
    # Dataclasses look their module up.
    sys.modules[module.__name__] = module
    exec(grader_source(of_task.spec, SCORING, template("frames.py.txt"), "A grader."), module.__dict__)
    return module, pd.read_csv(io.BytesIO(answers))


VALUES = material("fuzz-values", MetricRecord(name="mae", direction=Direction.MINIMIZE), TRUTH)
LABELS = material(
    "fuzz-labels",
    MetricRecord(name="accuracy", direction=Direction.MAXIMIZE),
    {name: SIZES[row % 3] for row, name in enumerate(TRUTH)},
    Prediction.LABEL,
    SIZES,
)
MATERIAL = VALUES[0]
EXPORTED = {made[0].spec.task_id: exported(made) for made in (VALUES, LABELS)}

cells = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from(
        [
            "",
            "NA",
            "nan",
            "inf",
            "-inf",
            "1e400",
            "1_0",
            "0x1",
            "1,5",
            "True",
            "plum",
            " 1 ",
            "\v1\t",
            "1.7187\x1c",
            "\x1f2",
            "3\x85",
            "4\xa0",
            "+1",
            "01",
            "1e0",
            "10.00",
            ".5",
            "5.",
            "½",
            "\N{FULLWIDTH DIGIT ONE}",
            "\0",
        ]
    ),
    st.text(max_size=6),
)
whole = st.builds(
    lambda form, name: form.format(name),
    st.sampled_from(
        ["{}", "{}", "{}.0", "0{}", "+{}", "{}e0", " {}", "{} ", "\v{}", "{}\x1c", "\xa0{}", "-{}", '"{}"']
    ),
    st.sampled_from([*SIZES, *TRUTH]),
)
"""A label or an id, in ways that pandas reads as the same number, and in others."""
numbers = st.floats(-5, 5).map(lambda value: repr(round(value, 6)))


def other_cell(draw, header, rows, at):
    rows[at] = [*rows[at][:1], draw(st.one_of(cells, whole))]
    return header, rows


def other_id(draw, header, rows, at):
    rows[at] = [draw(st.one_of(cells, whole)), *rows[at][1:]]
    return header, rows


def other_name(draw, header, rows, at):
    return [draw(st.sampled_from(["ID", "id ", "Id", "row", "\ufeffid"])), *header[1:]], rows


def one_more_column(draw, header, rows, at):
    name = draw(st.sampled_from(["note", "id", "weight", "", "id.1", "weight.1"]))
    return [*header, name], [[*row, "x"] for row in rows]


def one_more_line(draw, header, rows, at):
    line = draw(st.sampled_from([[], [""], [" "], ["\t"], ["\v"], ["\x1c"], ["\xa0"], ["", ""]]))
    return header, [*rows[:at], line, *rows[at:]]


EDITS = (
    other_cell,
    other_id,
    other_name,
    one_more_column,
    one_more_line,
    lambda draw, header, rows, at: (header, rows[:at] + rows[at + 1 :]),
    lambda draw, header, rows, at: (header, [*rows, rows[at]]),
    lambda draw, header, rows, at: (header, draw(st.permutations(rows))),
    lambda draw, header, rows, at: (header, [*rows[:at], rows[at][:1], *rows[at + 1 :]]),
    lambda draw, header, rows, at: (header, [*rows[:at], [*rows[at], "9", "9"], *rows[at + 1 :]]),
    lambda draw, header, rows, at: (header[::-1], [row[::-1] for row in rows]),
)
"""Cells, ids, names and columns exchanged; a line put in; a row left out, repeated, moved, cut, too long; columns
swapped."""
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-16", "latin-1", "utf-8-sig")


@st.composite
def tables(draw, predictions=numbers):
    """A submission that is nearly right."""
    header, rows = ["id", "weight"], [[name, draw(predictions)] for name in TRUTH]
    for edit in draw(st.lists(st.sampled_from(EDITS), max_size=3)):
        header, rows = edit(draw, header, list(rows), draw(st.integers(0, len(rows) - 1)))
    text = io.StringIO()
    csv.writer(text, lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"]))).writerows([header, *rows])
    return text.getvalue().encode(draw(st.sampled_from(ENCODINGS)), "replace")


@st.composite
def torn(draw):
    """A right submission cut, overwritten, filled up or repeated somewhere in its bytes."""
    content = bytearray(("id,weight\n" + "".join(f"{name},{draw(numbers)}\n" for name in TRUTH)).encode())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        match draw(st.sampled_from(["cut", "overwrite", "insert", "repeat", "fill"])):
            case "cut":
                del content[at:]
            case "overwrite":
                piece = draw(st.binary(min_size=1, max_size=4))
                content[at : at + len(piece)] = piece
            case "insert":
                content[at:at] = draw(
                    st.one_of(st.binary(max_size=4), st.sampled_from([b'"', b"\n", b",", b"\0", b"\r"]))
                )
            case "repeat":
                content += content[at:]
            case "fill":
                content[at:at] = draw(st.sampled_from([b"9", b" ", b",", b"\n", b"0"])) * draw(
                    st.sampled_from([50, 5000])
                )
    return bytes(content)


def frame_of(content):
    """The file as pandas reads it for the peers; None where it cannot."""
    try:
        return pd.read_csv(io.BytesIO(content))
    except (ValueError, pd.errors.ParserError):
        return None


def peers_agree(task_id, frame, verdict):
    """The exported grader says the same, wherever pandas reads the file and ours is not stricter on purpose."""
    problem = verdict["problem"] or ""
    if frame is None or "NUL bytes" in problem or "not comma-separated" in problem:
        return
    module, answers = EXPORTED[task_id]
    try:
        theirs = module.private_score(frame, answers)
    except module.InvalidSubmission:
        theirs = None
    assert theirs == verdict["score"], problem


def read_number(value):
    # A whole number beyond 64 bits stays a text to pandas.
    assert not isinstance(value, str) or set(value) <= {*string.digits, "+", "-"}
    return float(value)


def check(content):
    """The verdict holds, whatever the file is."""
    verdict, frame = grade(MATERIAL, content), frame_of(content)
    peers_agree("fuzz-values", frame, verdict)
    if not verdict["valid"]:
        assert verdict["problem"]
        assert (verdict["score"], verdict["human_rank"], verdict["medal"]) == (None, None, Medal.NONE)
        assert verdict["above_median"] is False
        return
    named = {name.strip(string.whitespace): values for name, values in frame.items()}
    ids = [f"{read_number(value):g}" for value in named["id"]]
    assert sorted(ids) == sorted(TRUTH)
    mine = dict(zip(ids, map(read_number, named["weight"]), strict=True))
    score = round(math.fsum(abs(TRUTH[name] - mine[name]) for name in PRIVATE) / len(PRIVATE), 5)
    assert verdict["score"] == pytest.approx(score, rel=1e-12, abs=2e-5)
    reached = [medal for medal in ("gold", "silver", "bronze") if verdict["score"] <= THRESHOLDS[medal]]
    assert verdict["medal"] == (reached or ["none"])[0]
    assert verdict["above_median"] is (verdict["score"] < THRESHOLDS["median"])
    better = sum(round(0.1 * place, 5) < verdict["score"] for place in range(1, 21))
    assert verdict["human_rank"] == (20 - better) / 20


@pytest.mark.filterwarnings("ignore")
@CASES
@given(tables())
@example(b"\xef\xbb\xbf\xef\xbb\xbfid,weight\n" + b"".join(b"%d,0.0\n" % row for row in range(10, 18)))
def test_a_submission_with_wrong_rows_cells_or_columns_is_judged_rightly(content):
    check(content)


@pytest.mark.filterwarnings("ignore")
@CASES
@given(torn())
def test_a_submission_torn_anywhere_is_judged_rightly(content):
    check(content)


@pytest.mark.filterwarnings("ignore")
@CASES
@given(tables(whole))
def test_labels_that_are_numbers_are_read_as_pandas_reads_them(content):
    verdict, frame = grade(LABELS[0], content), frame_of(content)
    peers_agree("fuzz-labels", frame, verdict)
    if verdict["valid"]:
        ids, labels = ([int(value) for value in frame[name]] for name in ("id", "weight"))
        assert sorted(ids) == sorted(map(int, TRUTH))
        assert {*labels} <= {1, 2, 10}


board_cells = st.one_of(numbers, cells, st.just("0.5"))


@st.composite
def boards(draw):
    """A board with few or many teams, in the columns of a synthetic task or of Kaggle's API, and something wrong."""
    width = draw(st.sampled_from([["rank", "score"], ["score"], ["scoreNullable", "teamId", "score", "hasScore"]]))
    odd = draw(st.booleans())
    rows = [[draw(board_cells if odd else numbers) for _ in width] for _ in range(draw(st.integers(0, 12)))]
    if draw(st.booleans()):
        rows = rows * draw(st.sampled_from([1, 9, 30]))
    text = io.StringIO()
    csv.writer(text, lineterminator=draw(st.sampled_from(["\n", "\r\n"]))).writerows([width, *rows])
    content = text.getvalue().encode("utf-8", "replace")
    cut = draw(st.sampled_from([None, None, 1, 5, 40]))
    return content[:-cut] if cut else content


def mlebench_rule(content, score):
    """What MLE-bench does with a board, written down anew on pandas: medal, or None where it raises."""
    try:
        scores = pd.read_csv(io.BytesIO(content))["score"]
        teams, lower = len(scores), bool(scores.iloc[0] < scores.iloc[-1])
        gold = max(1, teams // 10) if teams < 100 else 10 if teams < 250 else 10 + teams * 2 // 1000
        silver = max(1, teams // 5) if teams < 250 else 50 if teams < 1000 else teams // 20
        bronze = max(1, teams * 2 // 5) if teams < 250 else 100 if teams < 1000 else teams // 10
        marks = [float(scores.iloc[place - 1]) for place in (gold, silver, bronze)]
        float(scores.median())
    except Exception:  # noqa: BLE001
        return None
    reached = [mark for mark in marks if (score <= mark if lower else score >= mark)]
    named = [name for name, mark in zip(("gold", "silver", "bronze"), marks, strict=True) if mark in reached]
    return named[0] if named else "none"


def our_rule(content, score):
    try:
        rule = medal_rule(score_column(parse_board(content)))
    except BoardError:
        return None
    return medal_of(score, rule.thresholds, rule.direction).value


@pytest.mark.filterwarnings("ignore")
@CASES
@given(boards(), st.floats(-6, 6))
def test_a_board_gives_the_medals_that_pandas_would_lead_to_or_none(content, score):
    assert our_rule(content, score) == mlebench_rule(content, score)


@CASES
@given(st.binary(max_size=60) | boards().map(lambda content: content.replace(b",", b"\xff,", 1)), st.floats())
def test_bytes_that_are_no_board_are_refused_and_never_crash(content, score):
    try:
        place = PositionBoard(second_column(parse_board(content)), Direction.MAXIMIZE).place(score)
    except BoardError:
        return
    assert 0.0 <= place.position_score <= 1.0
