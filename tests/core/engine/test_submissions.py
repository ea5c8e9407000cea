"""Submissions of every kind: what is understood, what is refused, and in which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.core.engine.answers import AnswerKey, parse_answers
from sandmle.core.engine.csv_table import MAX_BYTES, InvalidSubmission
from sandmle.core.engine.submissions import _any_rows, _plain_rows, parse_submission
from sandmle.core.errors import TaskError
from sandmle.core.types.score import Prediction
from sandmle.core.types.task import SubmissionFormat


def form(prediction: Prediction, *classes: str, columns: tuple[str, ...] = ("y",)) -> SubmissionFormat:
    return SubmissionFormat(id_column="id", target_columns=columns, prediction=prediction, classes=classes)


VALUES = parse_answers(b"id,y,board\n1,0.5,private\n2,1.5,public\n3,2.5,private\n", form(Prediction.VALUE))
LABELS = parse_answers(b"id,y,board\n1,10,private\n2,9,public\n", form(Prediction.LABEL, "10", "9"))
WORDS = parse_answers(b"id,y,board\na,cat,private\nb,dog,public\n", form(Prediction.LABEL, "cat", "dog"))
TRUTHS = parse_answers(b"id,y,board\n1,True,private\n2,False,public\n", form(Prediction.LABEL, "False", "True"))
BINARY = parse_answers(b"id,y,board\n1,no,private\n2,yes,public\n", form(Prediction.PROBABILITY, "no", "yes"))
SEVERAL = parse_answers(
    b"id,kind,board\n1,b,private\n2,c,public\n",
    form(Prediction.PROBABILITY, "a", "b", "c", columns=("c", "a", "b")),
)
PAIRS = parse_answers(b"id,a,b,board\n1,3,4,private\n2,1,2,public\n", form(Prediction.VALUE, columns=("a", "b")))


def test_answers_are_encoded_by_class_and_marked_by_board():
    assert (VALUES.truth, VALUES.private) == ((0.5, 1.5, 2.5), (True, False, True))
    assert (BINARY.truth, SEVERAL.truth) == ((0.0, 1.0), (1.0, 2.0))


def test_whole_number_labels_are_ordered_by_size_and_not_as_text():
    assert (LABELS.classes, LABELS.truth) == (("9", "10"), (1.0, 0.0))


def test_indicator_columns_give_the_truth_of_several_classes():
    several = form(Prediction.PROBABILITY, "a", "b", "c", columns=("c", "a", "b"))
    key = parse_answers(b"id,c,a,b,board\n1,0,0,1,private\n2,1,0,0,public\n", several)
    assert key.truth == (1.0, 2.0)


def test_several_values_and_several_labels_are_read_by_column_name():
    values = form(Prediction.VALUE, columns=("a", "b"))
    key = parse_answers(b"id,b,a,board\n1,2.5,1,private\n2,4,3,public\n", values)
    assert key.truth == ((1.0, 2.5), (3.0, 4.0))
    assert parse_submission(b"id,b,a\n2,40,30\n1,25,10\n", key) == ((10.0, 25.0), (30.0, 40.0))
    marks = form(Prediction.LABELS, columns=("wet", "cold"))
    key = parse_answers(b"id,wet,cold,board\n1,1,0,private\n2,1,1,public\n", marks)
    assert key.truth == ((1.0, 0.0), (1.0, 1.0))
    assert parse_submission(b"id,wet,cold\n1,0.9,0.8\n2,0,1\n", key) == ((0.9, 0.8), (0.0, 1.0))
    with pytest.raises(InvalidSubmission, match="between 0 and 1"):
        parse_submission(b"id,wet,cold\n1,1.9,0.8\n2,0,1\n", key)
    with pytest.raises(TaskError, match="0 or 1"):
        parse_answers(b"id,wet,cold,board\n1,1,0.5,private\n2,1,1,public\n", marks)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (b"id,y\n1,1\n", "board"),
        (b"id,board\n1,private\n", "'y'"),
        (b"id,y,board\n1,1,private\n1,1,public\n", "unique"),
        (b"id,y,board\n1,1,private\n2,1,private\n", "both boards"),
        (b"id,y,board\n1,1,private\n2,1,secret\n", "public or private"),
        (b"id,y,board\n1,x,private\n2,1,public\n", "not a number"),
    ],
)
def test_broken_answers_are_the_tasks_fault(content: bytes, complaint: str):
    with pytest.raises(TaskError, match=complaint):
        parse_answers(content, form(Prediction.VALUE))


@pytest.mark.parametrize(
    "content",
    [
        b"id,y\n1,1\n2,2\n3,3\n",
        b"\xef\xbb\xbfid,y\r\n3,3\r\n1,1\r\n2,2\r\n",
        b"id , y\n 3 , 3\n1, 1e0\n2,2.",
        b"\n\nid,y\n1,1\n\n2,2\n   \n3,3\n\n",
        b",id,y,note\n0,1,1,x\n1,2,2,\n2,3,3,z\n",
        b'"id","y"\n"1","1"\n"2",2\n3.0,"3"\n',
        b"id,y,note\n+1,+1\n02, 2\t\n3e0,\v3.\n",
    ],
)
def test_a_submission_is_aligned_by_id_however_it_is_written(content: bytes):
    assert parse_submission(content, VALUES) == ((1.0,), (2.0,), (3.0,))


def test_labels_and_probabilities_are_encoded():
    assert parse_submission(b"id,y\nb,cat\na,dog\n", WORDS) == ((1.0,), (0.0,))
    for ten in (b"10.0", b"010", b"+10", b"1e1", b" 10\t"):
        assert parse_submission(b"id,y\n1," + ten + b"\n2,9\n", LABELS) == ((1.0,), (0.0,))
    # To pandas a column of nothing else is one of truth values.
    assert parse_submission(b"id,y\n1,TRUE\n2,false\n", TRUTHS) == ((1.0,), (0.0,))
    assert parse_submission(b"id,y\n1,0\n2,1\n", BINARY) == ((0.0,), (1.0,))


def test_probabilities_of_several_classes_are_normalised_and_put_in_class_order():
    rows = parse_submission(b"id,a,b,c\n1,0.2,0.2,0.4\n2,0,0,1\n", SEVERAL)
    assert rows == ((0.25, 0.25, 0.5), (0.0, 0.0, 1.0))


@pytest.mark.parametrize(
    ("key", "content", "complaint"),
    [
        (VALUES, b"", "empty"),
        (VALUES, b"\n\n", "empty"),
        (VALUES, b"id,Y\n1,1\n", "column 'y' is missing; known: Y, id"),
        (VALUES, b"id,yy\n1,1\n", "column 'y' is missing; did you mean 'yy'"),
        (VALUES, b"ID,y\n1,1\n", "column 'id' is missing"),
        (VALUES, b"id,y,y\n1,1,1\n", "'y' appears 2 times"),
        (VALUES, b"id,y\n", "3 of 3 ids are missing, such as '1'"),
        (VALUES, b"id,y\n1,1\n3,1\n", "1 of 3 ids are missing, such as '2'"),
        (VALUES, b"id,y\n1,1\n2,1\n3,1\n1,1\n", "row 4: id '1' appears more than once"),
        (VALUES, b"id,y\n1,1\n2.0,1\n2,1\n", "row 3: id '2' appears more than once"),
        (VALUES, b"id,y\n1,1\n2,1\n7,1\n8,1\n", "2 of the ids are not in the test file, such as '7'"),
        (VALUES, b"id,y\n" + b"".join(b"%d,1\n" % i for i in range(10, 99)), "too many rows"),
        (VALUES, b"id,y\n1,1\n2,\n3,1\n", "row 2, column 'y': the cell is empty"),
        (VALUES, b"id,y\n1,1\n2,nan\n3,1\n", "row 2, column 'y': 'nan' is not a finite number"),
        (VALUES, b"id,y\n1,-inf\n", "row 1, column 'y': '-inf' is not a finite number"),
        (VALUES, b"id,y\n1,1e999\n", "not a finite number"),
        (VALUES, b"id,y\n1,high\n", "row 1, column 'y': 'high' is not a number"),
        (VALUES, b"id,y\n1,1_0\n", "not a number"),
        (VALUES, "id,y\n1,\N{ARABIC-INDIC DIGIT ONE}\n".encode(), "not a number"),
        (VALUES, b"id,y\n1,0x1\n", "not a number"),
        (VALUES, b"id,y\n1,1.7187\x1c\n", "not a number"),
        (VALUES, "id,y\n1,1\N{NO-BREAK SPACE}\n".encode(), "not a number"),
        (VALUES, b"id,y\n1\x1f,1\n2,1\n3,1\n", r"not in the test file, such as '1\\x1f'"),
        (VALUES, b"id,y\n1.5,1\n2,1\n3,1\n", "not in the test file, such as '1.5'"),
        (VALUES, b"id\x1c,y\n1,1\n", "column 'id' is missing"),
        (VALUES, b"id,y,y.1\n1,1,1\n", "column 'y.1' reads as a second 'y'"),
        (VALUES, b'id,y\n""\n1,1\n', "row 1: 1 cells, the header has 2"),
        (VALUES, b"id,y\n\v\n1,1\n", "row 1: 1 cells, the header has 2"),
        (VALUES, b"id,note,y\n1,x\n", "row 1: 2 cells, the header has 3"),
        (VALUES, b"id,y\n1,1,2\n", "row 1: 3 cells, the header has 2"),
        (VALUES, b"id,y\n1\n", "row 1: 1 cells, the header has 2"),
        (VALUES, b"id;y\n1;1\n", "column 'id' is missing"),
        (VALUES, b"id,y\n1,\x00\n", "NUL"),
        (VALUES, b"\xff\xfei\x00d\x00", "NUL|UTF-8"),
        (VALUES, b"id,y\n1,\xff\n", "UTF-8"),
        (VALUES, b'id,y\n1,"1\n2,2\n', "not comma-separated"),
        (VALUES, b'id,y\n1,"1"2\n', "not comma-separated"),
        (VALUES, b"PK\x03\x04" + bytes(range(1, 255)), "UTF-8"),
        (WORDS, b"id,y\na,Cat\nb,dog\n", r"row 1, column 'y': 'Cat' is not one of the 2 labels \('cat', 'dog'\)"),
        (WORDS, b"id,y\na,\nb,dog\n", "not one of the 2 labels"),
        (BINARY, b"id,y\n1,1.5\n2,0\n", "row 1, column 'y': a probability must be between 0 and 1, not 1.5"),
        (BINARY, b"id,y\n1,-0.1\n2,0\n", "between 0 and 1"),
        (BINARY, b"id,y\n1,yes\n2,no\n", "not a number"),
        (SEVERAL, b"id,a,b\n1,1,0\n", "column 'c' is missing"),
        (SEVERAL, b"id,a,b,c\n1,0,0,0\n2,1,0,0\n", "row 1: the probabilities are all 0"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(key: AnswerKey, content: bytes, complaint: str):
    with pytest.raises(InvalidSubmission, match=complaint):
        parse_submission(content, key)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"x" * (MAX_BYTES + 1), "too large"),
        (b"id,y\n" + b"1," + b"9" * 10**6, "line 2 is too long"),
        (b'id,y\n1,"' + b"a\n" * 10**5, "not comma-separated"),
        (b"id,y\n" + b"1,1\n" * 10**6, "more than once"),
        (b"id,y\n" + b"".join(b"%d,1\n" % i for i in range(10**5)), "too many rows"),
        (b"id,y\n" + b"\n" * 10**6, "blank"),
        (b"," * 60_000, "columns"),
        (b"id,y\n1," + b'"' * 60_000, "not comma-separated|not a number"),
        (b"\r" * 10**6, "blank"),
    ],
)
def test_hostile_files_are_refused_within_the_limits(content: bytes, complaint: str):
    with pytest.raises(InvalidSubmission, match=complaint):
        parse_submission(content, VALUES)


@given(st.binary(max_size=200) | st.text(alphabet='idy123,.\n\r"- enaf', max_size=80).map(str.encode))
def test_any_bytes_are_predictions_or_a_reason(content: bytes):
    try:
        rows = parse_submission(b"id,y\n" + content, VALUES)
    except InvalidSubmission:
        return
    assert [len(row) for row in rows] == [1, 1, 1]


@pytest.mark.parametrize(
    ("key", "content"),
    [
        (VALUES, b"id,y\n1,0.5\n2,-1e3\n3,+.5"),
        (LABELS, b"id,y\n1,10\n2,9\n"),
        (BINARY, b"id,y\n1,0.25\n2,-0.0\n"),
        (SEVERAL, b"id,c,a,b\n1,0.2,0.2,0.4\n2,0,0,1\n"),
        (PAIRS, b"id,a,b\n1,30,40\n2,10,25\n"),
    ],
)
def test_a_plain_file_comes_to_the_same_by_columns_as_by_rows(key: AnswerKey, content: bytes):
    assert _plain_rows(content, key) == _any_rows(content, key)


@pytest.mark.parametrize(
    "content",
    [
        b"id,y\n2,1\n1,0\n3,2\n",
        b"y,id\n0,1\n1,2\n2,3\n",
        b"id,y,more\n1,0,0\n2,1,0\n3,2,0\n",
        b"id,y\n1,0\n2,1,\n3\n",
        b"id,y\n1,0\n\n2,1\n3,2\n",
        b"id,y\n1,0\n2,1_0\n3,2\n",
        b"id,y\n1,0\n2, 1\n3,2\n",
        b"id,y\n1,0\n2,inf\n3,2\n",
        b'id,y\n1,0\n2,"1"\n3,2\n',
        b"id,y\r\n1,0\r\n2,1\r\n3,2\r\n",
        b"id,y\n1,0\n2,1\x1f\n3,2\n",
        b"id,y\n1,0\n2,\xd9\xa1\n3,2\n",
    ],
)
def test_whatever_is_not_quite_plain_is_read_row_by_row(content: bytes):
    assert _plain_rows(content, VALUES) is None


_CELLS = st.sampled_from(
    ["1", "2", "3", "0.5", "1.0", "0", "-0", "a", "yes", "no", "10", "9", "", "1e400", "1_0", " 1"]
)


@given(
    st.sampled_from([VALUES, LABELS, BINARY, SEVERAL, PAIRS]),
    st.lists(st.lists(_CELLS, max_size=4), max_size=4),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_no_file_is_read_otherwise_for_being_plain(key: AnswerKey, cells: list[list[str]], end: str):
    header = ["id", *key.form.target_columns]
    content = end.join(map(",".join, [header, *([name, *row] for name, row in zip(key.ids, cells, strict=False))]))
    plain = _plain_rows(content.encode(), key)
    assert plain is None or repr(plain) == repr(_any_rows(content.encode(), key))
