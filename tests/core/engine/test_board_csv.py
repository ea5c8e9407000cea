"""Board text to cells and types, as pandas reads it. The full comparison is benchmarks/board_parity.py."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.core.engine.board_cells import ColumnKind, typed_column
from sandmle.core.engine.board_csv import parse_board
from sandmle.core.errors import BoardError


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n", [("1", "2")]),
        ("\ufeffa,b\r\n1,2", [("1", "2")]),
        ("\n \na,b\n\n1,2\n\t\n3,4\n\n", [("1", "2"), ("3", "4")]),
        ("a,b\r1,2\r3,4", [("1", "2"), ("3", "4")]),
        ("a,b\n1\n", [("1", "")]),
        ("a,b\n9,1,2\n8,3\n", [("1", "2"), ("3", "")]),
        ('a,b\n"1,5","x""y"\n', [("1,5", 'x"y')]),
        ('a,b\n"1"2,3"4"\n', [("12", '3"4"')]),
        ('a,b\n"1\n2",3\n', [("1\n2", "3")]),
        ("a,b\n1,\n", [("1", "")]),
        ("a,b\n1,2,", [("2", "")]),
        ("a,b\r1,2\r,5\r", [("1", "2"), ("", "5")]),
        ("a,b\r\r,1\r", [("1", "")]),
        ("a,b\r\r, 1\r", [("", " 1")]),
        ("a,b\n", []),
    ],
)
def test_rows_are_split_as_pandas_splits_them(text: str, rows: list[tuple[str, str]]):
    table = parse_board(text.encode())
    assert (table.header, list(table.rows)) == (("a", "b"), rows)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"a,b\n1,2\n1,2,3\n", "row 2"),
        (b'a,b\n1,"2\n', "quote"),
        (b'a,b\n1,","2\n"', "quote"),
        (b"a,b\n\xff,2\n", "UTF-8"),
    ],
)
def test_what_pandas_refuses_is_refused_with_a_reason(content: bytes, complaint: str):
    with pytest.raises(BoardError, match=complaint):
        parse_board(content)


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", " -2", "+3 "], ColumnKind.INTEGER, (1, -2, 3)),
        (["1", ""], ColumnKind.FLOAT, (1.0, math.nan)),
        (["NA", "null"], ColumnKind.FLOAT, (math.nan, math.nan)),
        (["1e400", ".5", "1.", "-INFINITY"], ColumnKind.FLOAT, (math.inf, 0.5, 1.0, -math.inf)),
        (["true", "FALSE"], ColumnKind.BOOLEAN, (True, False)),
        (["true", ""], ColumnKind.OBJECT, (True, math.nan)),
        (["true", "1"], ColumnKind.TEXT, ()),
        (["0x10"], ColumnKind.TEXT, ()),
        (["1_000"], ColumnKind.TEXT, ()),
        (["inf "], ColumnKind.TEXT, ()),
        (["9223372036854775808"], ColumnKind.INTEGER, (2**63,)),
        (["9223372036854775808", "-1"], ColumnKind.TEXT, ()),
        (["9223372036854775808", ""], ColumnKind.TEXT, ()),
        (["9223372036854775808", "0.5"], ColumnKind.FLOAT, (2.0**63, 0.5)),
        (["9223372036854775808 "], ColumnKind.FLOAT, (2.0**63,)),
        (["18446744073709551616", "1_0"], ColumnKind.OBJECT, (2**64, 10)),
        (["18446744073709551616", "0.5"], ColumnKind.TEXT, ()),
        (["0.5", "18446744073709551616"], ColumnKind.FLOAT, (0.5, 2.0**64)),
        (["-9223372036854775809", "3"], ColumnKind.OBJECT, (-(2**63) - 1, 3)),
        (["1" * 5000], ColumnKind.TEXT, ()),
    ],
)
def test_columns_get_the_type_pandas_infers(cells: list[str], kind: ColumnKind, values: tuple[float, ...]):
    column = typed_column(cells)
    assert (column.kind, column.n_rows) == (kind, len(cells))
    assert repr(column.values) == repr(values)


@given(st.lists(st.floats(), min_size=1, max_size=20))
def test_a_float_survives_being_written_and_read(values: list[float]):
    column = typed_column([repr(value) for value in values])
    assert column.kind is ColumnKind.FLOAT
    assert repr(column.values) == repr(tuple(values))


@given(st.text(alphabet='0,1.\n\r" \tab-', max_size=60))
def test_any_text_is_a_table_of_equal_rows_or_a_board_error(text: str):
    try:
        table = parse_board(text.encode())
    except BoardError:
        return
    assert {len(row) for row in table.rows} <= {len(table.header)}
